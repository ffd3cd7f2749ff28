// What every page needs: local times, and the focus on what went wrong. Everything works without it.
"use strict";

(() => {
  const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });

  // The server writes times in UTC; people read the clock on their own wall.
  const localTime = (iso) => {
    const time = document.createElement("time");
    time.dateTime = iso;
    time.textContent = clock.format(new Date(iso));
    return time;
  };

  const localise = (root) => {
    for (const time of root.querySelectorAll("time[data-clock]")) time.replaceWith(localTime(time.dateTime));
  };

  window.personaeval = { localTime };

  document.addEventListener("DOMContentLoaded", () => {
    localise(document);
    document.querySelector("[data-focus]")?.focus();
    document.body.addEventListener("htmx:afterSwap", (event) => localise(event.target.parentElement ?? document));
  });
})();
