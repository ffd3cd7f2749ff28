// Help on the writing page: answers are saved as they are typed, and what is put together comes into the box.
"use strict";

(() => {
  const { gettext } = window.personaeval;
  const CHOICE_SETTLE_MS = 250;
  const TYPING_SETTLE_MS = 800;

  class Answers extends window.personaeval.Autosave {
    constructor(element, form) {
      const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
      const storageKey = `elicited:${element.dataset.elicitation}`;
      super(element, { storageKey, token, changed: () => {} });
      this.tab = form.querySelector("[name=tab]").value;
      this.inputs = [...element.querySelectorAll("textarea, input[type=radio]")];
      element.addEventListener("input", (event) => this.edited(event.target.type === "radio"));
    }

    get content() {
      const given = this.inputs.filter((input) => input.type !== "radio" || input.checked);
      return Object.fromEntries(given.map((input) => [input.name, input.value]));
    }

    edited(isChoice) {
      if (!this.isDisputed) return this.take(this.content, isChoice ? CHOICE_SETTLE_MS : TYPING_SETTLE_MS);
      this.next = this.content;
      this.remember();
    }

    // Asked which of two is meant, and no answer yet.
    get isDisputed() {
      return this.element.querySelector(".conflict") !== null;
    }

    fields(content) {
      return [["answers_version", this.sent.version], ["tab", this.tab], ...Object.entries(content)];
    }

    show(content) {
      for (const input of this.inputs) {
        const value = content[input.name] ?? "";
        if (input.type === "radio") input.checked = input.value !== "" && input.value === value;
        else input.value = value;
      }
    }

    contentOf({ answers }) {
      return Object.fromEntries(Object.keys(this.content).map((name) => [name, answers[name.replace("elicited-", "")] ?? ""]));
    }

    // What stands here stays in the fields, and kept in this browser, until one of the two has been chosen.
    conflict(json) {
      this.next = this.content;
      this.remember();
      this.say(gettext("Not saved yet."), true);
      const text = document.createElement("p");
      text.textContent = gettext("Another tab or device saved other answers. Yours are still in the fields and not saved yet. What is saved:");
      const other = document.createElement("blockquote");
      other.dir = "auto";
      other.translate = false;
      other.textContent = Object.values(json.answers).filter(Boolean).join(" · ") || gettext("Nothing");
      this.ask([text, other], [
        [gettext("Keep mine"), () => this.settleOn(this.content, json, false)],
        [gettext("Use what is saved"), () => this.settleOn(this.contentOf(json), json, true)],
      ]);
    }

    settleOn(content, json, isSaved) {
      this.element.querySelector(".conflict").remove();
      this.version.value = json.version;
      this.show(content);
      this.inputs[0].focus();
      if (!isSaved) return this.take(content, 0);
      this.next = null;
      this.remember();
      this.sayWhenSaved(json);
    }
  }

  // Take up what came of a button: the sentence goes into the box as if it had been typed, so that it is kept as that.
  const takeUp = (outcome, form, answers) => {
    const version = outcome.querySelector("[data-answers-version]");
    if (version) answers.version.value = version.dataset.answersVersion;
    const put = outcome.querySelector("[data-put]");
    if (put) {
      const box = form.querySelector("textarea[name=text]");
      box.value = put.dataset.sentence;
      form.querySelector("[name=version]").value = put.dataset.version;
      box.dispatchEvent(new Event("input", { bubbles: true }));
      box.focus();
    }
    outcome.querySelector("[data-ask]")?.focus();
  };

  document.addEventListener("DOMContentLoaded", () => {
    const element = document.querySelector("[data-elicitation]");
    if (!element) return;
    const form = element.closest("form");
    const outcome = document.getElementById("put-together");
    const answers = new Answers(element, form);
    answers.resume();
    document.body.addEventListener("htmx:afterSwap", (event) => {
      if (event.detail.target === outcome) takeUp(outcome, form, answers);
    });
    outcome.addEventListener("click", (event) => {
      if (!event.target.closest("[data-keep-box]")) return;
      outcome.replaceChildren();
      form.querySelector("textarea[name=text]").focus();
    });
  });
})();
