// The rating page: every answer is saved as it is clicked, and is never lost on the way; see saving.js.
"use strict";

(() => {
  const { fill, gettext, ngettext } = window.personaeval;
  const SETTLE_MS = 250; // arrow keys pass over values on the way to the one that is meant

  class Scale extends window.personaeval.Autosave {
    constructor(fieldset, token, changed) {
      super(fieldset, { storageKey: `answer:${fieldset.dataset.scale}`, token, changed });
      fieldset.addEventListener("change", (event) => event.target.type === "radio" && this.clicked(event.target.value));
    }

    get value() {
      return this.element.querySelector("input[type=radio]:checked")?.value ?? null;
    }

    get isDisputed() {
      return false; // what is saved stands until the other answer is chosen
    }

    clicked(value) {
      if (this.url) this.take(value, SETTLE_MS); // in the practice nothing is kept
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
          this.clicked(mine);
        }],
      ]);
      this.changed();
    }

    label(value) {
      return this.radio(value)?.closest(".option").querySelector(".option-label").textContent.trim() ?? value;
    }

    radio(value) {
      return this.element.querySelector(`input[type=radio][value="${value}"]`);
    }
  }

  class Page {
    constructor(form) {
      this.form = form;
      const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
      this.scales = [...form.querySelectorAll("[data-scale]")].map((fieldset) => new Scale(fieldset, token, () => this.update()));
      this.followups = [...form.querySelectorAll("[data-followup]")].map(
        (element) => new window.personaeval.Followup(element, token, () => this.update()),
      );
      this.controls = [...this.scales, ...this.followups];
      for (const control of this.controls) control.resume();
      form.addEventListener("submit", (event) => this.submit(event));
      form.addEventListener("keydown", (event) => this.key(event));
      for (const link of form.querySelectorAll("[data-missing-for] a")) {
        link.addEventListener("click", (event) => {
          event.preventDefault();
          this.focus(this.scales.find((scale) => `#${scale.element.id}` === link.hash));
        });
      }
      window.addEventListener("online", () => this.controls.forEach((control) => control.sent && control.post()));
      window.addEventListener("beforeunload", (event) => {
        if (!this.leaving && !this.isSettled) event.preventDefault();
      });
      this.update();
    }

    get missing() {
      return this.scales.filter((scale) => scale.value === null);
    }

    get isSettled() {
      return this.controls.every((control) => control.isSettled);
    }

    update() {
      for (const scale of this.scales ?? []) {
        const entry = this.form.querySelector(`[data-missing-for="${scale.element.dataset.scale}"]`);
        entry.hidden = scale.value !== null;
        if (scale.value !== null) scale.element.classList.remove("is-missing");
      }
      if (this.waiting && this.isSettled) return this.leave();
      const title = this.form.querySelector("[data-missing-title]");
      if (title.textContent !== this.standing) title.textContent = this.standing;
    }

    // What stands beside the button: after "Continue" also what keeps it from going on.
    get standing() {
      const count = this.missing?.length;
      if (count) return fill(ngettext("%(count)s still to answer:", "%(count)s still to answer:", count), { count });
      if (!this.waiting) return gettext("Everything is answered.");
      const failed = this.controls.find((control) => control.hasFailed);
      return failed ? failed.state.textContent : gettext("Saving your last answer, then it goes on.");
    }

    submit(event) {
      if (this.missing.length) {
        event.preventDefault();
        for (const scale of this.missing) scale.element.classList.add("is-missing");
        this.focus(this.missing[0]);
        return;
      }
      const disputed = this.controls.find((control) => control.isDisputed);
      if (disputed) {
        event.preventDefault();
        disputed.element.querySelector(".conflict button").focus();
      } else if (!this.isSettled) {
        // Go on as soon as the last answer is acknowledged; update() sees to it.
        event.preventDefault();
        this.waiting = true;
        for (const control of this.controls) if (!control.isSettled) control.flush();
        this.update();
      } else {
        this.leaving = true;
      }
    }

    leave() {
      this.waiting = false;
      const trouble = this.form.querySelector(".conflict, .save-state.failed");
      if (trouble) return trouble.scrollIntoView({ block: "center" });
      this.leaving = true;
      this.form.submit();
    }

    focus(scale) {
      const radio = scale?.element.querySelector("input:checked") ?? scale?.element.querySelector("input[type=radio]");
      scale?.element.scrollIntoView({ block: "center" });
      radio?.focus({ preventScroll: true });
    }

    // Digits answer the focused question and move on to the next one that is open; arrows are the radios' own.
    key(event) {
      if (!/^[0-9]$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
      const at = this.scales.findIndex((scale) => scale.element.contains(event.target));
      const radio = this.scales[at]?.element.querySelector(`input[type=radio][value="${event.key}"]`);
      if (!radio) return;
      event.preventDefault();
      radio.focus({ preventScroll: true });
      if (!radio.checked) radio.click();
      const later = [...this.scales.slice(at + 1), ...this.scales.slice(0, at)].find((scale) => scale.value === null);
      if (later) this.focus(later);
      else this.form.querySelector("[data-continue]").focus();
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector("[data-rating-form]");
    if (form) new Page(form);
  });
})();
