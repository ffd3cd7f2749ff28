// What every page needs: local times, the focus on what went wrong, and one sending per click. Everything works
// without it.
"use strict";

(() => {
  const DOUBLE_CLICK_MS = 3000;
  const AFTER_WRITING = ["wait", "rate", "failed"];

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

  // A second click before the answer has come sends nothing.
  const sendOnce = (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, DOUBLE_CLICK_MS);
  };

  // The text of a persona is kept in this browser until it has arrived; see draft.js.
  const forgetArrivedDraft = () => {
    const sent = localStorage.getItem("draft-sent");
    if (!sent || !AFTER_WRITING.includes(document.querySelector("main")?.dataset.step)) return;
    localStorage.removeItem(sent);
    localStorage.removeItem(sent.replace("draft:", "elicited:")); // see elicitation.js
    localStorage.removeItem("draft-sent");
  };

  window.personaeval = { localTime };

  document.addEventListener("DOMContentLoaded", () => {
    localise(document);
    document.querySelector("[data-focus]")?.focus();
    document.body.addEventListener("htmx:afterSwap", (event) => localise(event.target.parentElement ?? document));
    document.addEventListener("submit", sendOnce);
    forgetArrivedDraft();
  });
})();
