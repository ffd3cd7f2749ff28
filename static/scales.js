// The questions of the rating page: scales of buttons, sliders, and places that are given to responses.
"use strict";

(() => {
  const { fill, gettext } = window.personaeval;
  const SETTLE_MS = 250; // arrow keys pass over values on the way to the one that is meant
  const TYPING_SETTLE_MS = 800;

  class Scale extends window.personaeval.Autosave {
    constructor(fieldset, token, changed) {
      super(fieldset, { storageKey: `answer:${fieldset.dataset.scale}`, token, changed });
      fieldset.addEventListener("change", (event) => event.target.type === "radio" && this.chosen(event.target));
    }

    get value() {
      return this.element.querySelector("input[type=radio]:checked")?.value ?? null;
    }

    get isDisputed() {
      return false; // what is saved stands until the other answer is chosen
    }

    // Asked always, or after some answers to another question about the same.
    get isAsked() {
      const { askedIf, askedValues } = this.element.dataset;
      if (!askedIf) return true;
      const chosen = this.element.closest("form").querySelector(`input[name="${askedIf}"]:checked`);
      return askedValues.split(" ").includes(chosen?.value);
    }

    // What is no longer asked has no answer; where one was saved, the answer to the other question ends it.
    keepAsked() {
      const { isAsked } = this;
      if (this.element.hidden === !isAsked) return;
      this.element.hidden = !isAsked;
      if (isAsked) return;
      clearTimeout(this.settle);
      this.next = null;
      this.remember();
      this.clear();
      this.say("");
    }

    clear() {
      for (const radio of this.element.querySelectorAll("input[type=radio]")) radio.checked = false;
    }

    // Begun and not done: more than one step makes the answer.
    get isPartial() {
      return false;
    }

    // What the list of what is missing leads to.
    get target() {
      return this.element;
    }

    // What has the focus when the question is gone to.
    get control() {
      return this.element.querySelector("input:checked") ?? this.element.querySelector("input[type=radio]");
    }

    chosen(radio) {
      this.answered(radio.value);
    }

    answered(value, settleMs = SETTLE_MS) {
      if (this.url) this.take(value, settleMs); // in the practice nothing is kept
      this.changed();
    }

    fields(value) {
      return [["value", value]];
    }

    show(value) {
      const radio = this.radio(value);
      if (radio) radio.checked = true;
    }

    contentOf(json) {
      return String(json.value);
    }

    conflict(json) {
      const mine = this.next ?? this.attempted;
      this.next = null;
      this.remember();
      this.version.value = json.version;
      this.show(json.value);
      this.say("");
      const text = document.createElement("p");
      text.textContent = fill(
        gettext("Another tab or device answered “%(saved)s”, which is saved. Here you chose “%(mine)s”."),
        { saved: this.label(json.value), mine: this.label(mine) },
      );
      this.ask([text], [
        [gettext("Keep what is saved"), () => this.element.querySelector(".conflict").remove()],
        [gettext("Use my answer here"), () => {
          this.show(mine);
          this.answered(mine);
        }],
      ]);
      this.changed();
    }

    // What was answered before the persona was shown stands, whatever an older page says.
    refused(json) {
      if (json.version) {
        this.version.value = json.version;
        this.show(json.value);
      }
      super.refused(json);
    }

    label(value) {
      return this.radio(value)?.closest(".option").querySelector(".option-label").textContent.trim() ?? value;
    }

    radio(value) {
      return this.element.querySelector(`input[type=radio][value="${value}"]`);
    }
  }

  // Without a script there is the number alone. The slider stands beside it, without a thumb until it is touched: where
  // it rests before that is nobody's answer.
  class Slider extends Scale {
    constructor(fieldset, token, changed) {
      super(fieldset, token, changed);
      this.number = fieldset.querySelector("input[type=number]");
      this.range = document.createElement("input");
      const { min, max, name } = this.number;
      Object.assign(this.range, { type: "range", min, max, step: 1, className: "slider-range", id: `range-${name}` });
      this.range.setAttribute("aria-describedby", this.number.getAttribute("aria-describedby"));
      const label = document.createElement("label");
      Object.assign(label, { htmlFor: this.range.id, className: "visually-hidden", textContent: fieldset.querySelector("legend").textContent });
      fieldset.querySelector(".slider-ends").before(label, this.range);
      this.range.addEventListener("input", () => this.moved());
      // A click where it rests moves nothing, and is an answer.
      this.range.addEventListener("pointerup", () => this.value === null && this.moved());
      this.range.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && this.confirmed(event));
      this.number.addEventListener("input", () => this.typed());
      this.follow();
    }

    get value() {
      return this.number.validity.valid && this.number.value !== "" ? String(Number(this.number.value)) : null;
    }

    get control() {
      return this.range;
    }

    confirmed(event) {
      event.preventDefault();
      if (this.value === null) this.moved();
    }

    moved() {
      this.number.value = this.range.value;
      this.follow();
      this.answered(this.value);
    }

    typed() {
      this.follow();
      if (this.value !== null) return this.answered(this.value, TYPING_SETTLE_MS);
      clearTimeout(this.settle); // no number of the scale: what was saved before stands
      this.next = null;
      this.remember();
      this.changed();
    }

    // The thumb stands where the number says.
    follow() {
      const { value } = this;
      this.range.classList.toggle("is-unset", value === null);
      if (value !== null) this.range.value = value;
      this.range.setAttribute("aria-valuetext", value ?? this.element.querySelector(".slider").dataset.unset);
    }

    show(value) {
      this.number.value = value;
      this.follow();
    }

    clear() {
      this.show("");
    }

    label(value) {
      return value;
    }
  }

  // A response has one place. Who takes another's place leaves their own to it; the last one left has the last place.
  class Ordering extends Scale {
    constructor(fieldset, token, changed) {
      super(fieldset, token, changed);
      this.places = [...fieldset.querySelectorAll("[data-place]")];
      this.orders = fieldset.dataset.orders.split(" ");
      this.before = this.picks;
    }

    // Which response each place has, "" for none.
    get picks() {
      return this.places.map((place) => place.querySelector("input:checked")?.value ?? "");
    }

    get value() {
      const at = this.orders.indexOf(this.picks.join(""));
      return this.picks.includes("") || at < 0 ? null : String(at + 1);
    }

    get isPartial() {
      return this.picks.includes("");
    }

    get control() {
      const open = this.places.find((place) => !place.querySelector("input:checked")) ?? this.places[0];
      return open.querySelector("input:checked") ?? open.querySelector("input");
    }

    chosen(radio) {
      const place = this.places.findIndex((one) => one.contains(radio));
      clearTimeout(this.arranging);
      this.changed();
      this.arranging = setTimeout(() => this.arrange(place), SETTLE_MS);
    }

    arrange(place) {
      const picks = this.picks;
      const other = picks.findIndex((pick, index) => index !== place && pick === picks[place]);
      if (other >= 0) this.give(other, picks.includes(this.before[place]) ? "" : this.before[place]);
      this.fillLast();
      this.before = this.picks;
      if (this.value !== null) this.answered(this.value, 0);
      else this.changed();
    }

    fillLast() {
      const picks = this.picks;
      const letters = [...this.places[0].querySelectorAll("input")].map((radio) => radio.value);
      const left = letters.filter((letter) => !picks.includes(letter));
      const open = picks.flatMap((pick, index) => (pick ? [] : [index]));
      if (letters.length === picks.length && open.length === 1) this.give(open[0], left[0]);
    }

    give(place, pick) {
      for (const radio of this.places[place].querySelectorAll("input")) radio.checked = radio.value === pick;
    }

    show(value) {
      [...this.orders[value - 1]].forEach((pick, place) => this.give(place, pick));
      this.before = this.picks;
    }

    label(value) {
      const letter = (pick) => super.label(pick);
      return [...this.orders[value - 1]].map(letter).join(" > ");
    }
  }

  const kinds = { slider: Slider, order: Ordering };
  const scaleOf = (fieldset, token, changed) => new (kinds[fieldset.dataset.kind] ?? Scale)(fieldset, token, changed);
  Object.assign(window.personaeval, { Scale, kinds, scaleOf });
})();
