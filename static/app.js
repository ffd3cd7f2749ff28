// What every page needs: local times, the focus on what went wrong, and one sending per click. Everything works
// without it.
"use strict";

(() => {
  const DOUBLE_CLICK_MS = 3000;
  const AFTER_WRITING = ["wait", "rate", "failed"];

  // The page's language, with the digits that the server writes.
  const clock = new Intl.DateTimeFormat(document.documentElement.lang || [], {
    hour: "2-digit", minute: "2-digit", numberingSystem: "latn",
  });

  // English pages load no catalogue, and say what stands in the source.
  const gettext = window.gettext ?? ((text) => text);
  const ngettext = window.ngettext ?? ((one, many, count) => (count === 1 ? one : many));
  const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);

  // The server writes times in UTC; people read the clock on their own wall.
  const localTime = (iso) => {
    const time = document.createElement("time");
    time.dateTime = iso;
    time.textContent = clock.format(new Date(iso));
    return time;
  };

  // What is written around a time, which stands at `%(time)s`.
  const timed = (text, iso) => {
    const [before, after] = text.split("%(time)s");
    return [before, localTime(iso), after ?? ""];
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

  window.personaeval = { fill, gettext, ngettext, timed };

  document.addEventListener("DOMContentLoaded", () => {
    localise(document);
    document.querySelector("[data-focus]")?.focus();
    document.body.addEventListener("htmx:afterSwap", (event) => localise(event.target.parentElement ?? document));
    document.addEventListener("submit", sendOnce);
    forgetArrivedDraft();
  });
})();
