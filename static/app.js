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

  // What has not arrived yet, kept in this browser for a reload. A browser may refuse: storage is switched off, full, or
  // holds what somebody else wrote. Then this page alone remembers, and nothing that is sent waits for it.
  class Kept {
    constructor() {
      this.here = new Map();
      this.isLeaving = false;
      // A reply that comes while the next page is on its way: that page may have been made before, and then has to show
      // what is kept.
      window.addEventListener("beforeunload", () => (this.isLeaving = true));
      document.addEventListener("input", () => (this.isLeaving = false), true); // the page stayed after all
    }

    attempt(act) {
      try {
        return act(window.localStorage);
      } catch {
        return null; // which error it is depends on the browser and on why it refuses
      }
    }

    get(key) {
      const text = this.attempt((storage) => storage.getItem(key));
      return text === null ? (this.here.get(key) ?? null) : this.attempt(() => JSON.parse(text));
    }

    set(key, value) {
      this.here.set(key, value);
      this.attempt((storage) => storage.setItem(key, JSON.stringify(value)));
    }

    remove(key) {
      if (this.isLeaving) return;
      this.here.delete(key);
      this.attempt((storage) => storage.removeItem(key));
    }
  }

  const kept = new Kept();

  // The text of a persona is kept in this browser until it has arrived; see draft.js.
  const forgetArrivedDraft = () => {
    const sent = kept.get("draft-sent");
    if (!sent || !AFTER_WRITING.includes(document.querySelector("main")?.dataset.step)) return;
    kept.remove(sent);
    kept.remove(sent.replace("draft:", "elicited:")); // see elicitation.js
    kept.remove("draft-sent");
  };

  window.personaeval = { fill, gettext, kept, ngettext, timed };

  document.addEventListener("DOMContentLoaded", () => {
    localise(document);
    document.querySelector("[data-focus]")?.focus();
    document.body.addEventListener("htmx:afterSwap", (event) => localise(event.target.parentElement ?? document));
    document.addEventListener("submit", sendOnce);
    forgetArrivedDraft();
  });
})();
