// What may be added to the answers about one response or persona: chips and a text, saved as the scales are.
"use strict";

(() => {
  const { gettext } = window.personaeval;
  const CHIP_SETTLE_MS = 250;
  const TYPING_SETTLE_MS = 800;

  class Followup extends window.personaeval.Autosave {
    constructor(element, token, changed) {
      super(element, { storageKey: `added:${element.dataset.followup}`, token, changed });
      this.boxes = [...element.querySelectorAll("input[type=checkbox]")];
      this.area = element.querySelector("textarea");
      element.addEventListener("input", (event) => this.edited(event.target === this.area));
    }

    get keptHere() {
      return gettext("Not saved yet. Your remark is kept here and sent again as soon as there is a connection.");
    }

    get sentAfterReload() {
      return gettext("Not saved yet. Reload this page: your remark is kept and sent then.");
    }

    // Null as long as a remark that has to be there is missing.
    get value() {
      return this.area?.ariaRequired === "true" && !this.area.value.trim() ? null : this.area?.value ?? "";
    }

    get target() {
      return this.area;
    }

    get control() {
      return this.area;
    }

    get content() {
      return { chips: this.boxes.filter((box) => box.checked).map((box) => box.value), text: this.area?.value ?? "" };
    }

    // Asked which of two is meant, and no answer yet.
    get isDisputed() {
      return this.element.querySelector(".conflict") !== null;
    }

    edited(isTyped) {
      if (isTyped) this.changed();
      if (!this.isDisputed) return this.take(this.content, isTyped ? TYPING_SETTLE_MS : CHIP_SETTLE_MS);
      this.next = this.content;
      this.remember();
    }

    fields({ chips, text }) {
      const { chipsName, textName } = this.element.dataset;
      return [...chips.map((chip) => [chipsName, chip]), [textName, text]];
    }

    show({ chips, text }) {
      for (const box of this.boxes) box.checked = chips.includes(box.value);
      if (this.area) this.area.value = text;
    }

    contentOf({ chips, text }) {
      return { chips, text };
    }

    // What stands here stays in the fields, and kept in this browser, until one of the two has been chosen.
    conflict(json) {
      this.next = this.content;
      this.remember();
      this.say(gettext("Not saved yet."), true);
      const text = document.createElement("p");
      text.textContent = gettext("Another tab or device saved something else here. Yours is still in the fields and not saved yet. What is saved:");
      const other = document.createElement("blockquote");
      other.dir = "auto";
      other.translate = false;
      other.textContent = [...json.chips.map((chip) => this.wordsOf(chip)), json.text].filter(Boolean).join(" · ") || gettext("Nothing");
      this.ask([text, other], [
        [gettext("Keep mine"), () => this.settleOn(this.content, json)],
        [gettext("Use what is saved"), () => this.settleOn(json, json)],
      ]);
    }

    // A chip is sent as the study's first language has it, and stands on the page in the participant's.
    wordsOf(chip) {
      return this.boxes.find((box) => box.value === chip)?.parentElement.textContent.trim() ?? chip;
    }

    settleOn(content, json) {
      this.element.querySelector(".conflict").remove();
      this.version.value = json.version;
      this.show(content);
      (this.area ?? this.boxes[0]).focus();
      if (content !== json) return this.take(content, 0);
      this.next = null;
      this.remember();
      this.sayWhenSaved(json);
      this.changed();
    }
  }

  window.personaeval.Followup = Followup;
})();
