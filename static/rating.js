// The rating page: every answer is saved as it is clicked, and is never lost on the way; see saving.js.
"use strict";

(() => {
  const { fill, gettext, ngettext } = window.personaeval;

  // The texts: panes that say when there is more below, raw text to copy, and on phones one response at a time.
  class Reading {
    constructor(form, openIn) {
      this.form = form;
      this.openIn = openIn;
      this.responses = [...form.querySelectorAll("[data-response]")];
      this.places = new Map(); // response -> how far down its reader had come
      for (const pane of form.querySelectorAll("[data-scrolls]")) this.watch(pane);
      for (const raw of form.querySelectorAll("[data-raw]")) this.offerCopy(raw);
      this.measure(form.querySelector("[data-context]"));
      this.makeSwitch(form.querySelector("[data-switch]"));
    }

    // A pane can have the focus only where it scrolls, and says so as long as its end is out of sight.
    watch(pane) {
      const more = document.createElement("p");
      more.className = "more";
      more.ariaHidden = "true"; // a screen reader reads all of it anyway
      more.textContent = gettext("More below");
      pane.after(more);
      const check = () => {
        const hidden = pane.scrollHeight - pane.clientHeight;
        if (hidden > 1) pane.tabIndex = 0;
        else pane.removeAttribute("tabindex");
        more.hidden = hidden - pane.scrollTop <= 8;
      };
      pane.addEventListener("scroll", check, { passive: true });
      const sizes = new ResizeObserver(check);
      for (const element of [pane, ...pane.children]) sizes.observe(element);
      check();
    }

    offerCopy(raw) {
      const button = document.createElement("button");
      const text = raw.querySelector("pre").textContent;
      Object.assign(button, { type: "button", className: "link", textContent: gettext("Copy the raw text") });
      button.addEventListener("click", async () => {
        const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
        if (!copied) raw.hidden = false; // not allowed here: it can be selected
        raw.open = !copied;
        button.textContent = copied ? gettext("Copied") : gettext("Copy the raw text");
      });
      raw.before(button);
      raw.hidden = true;
    }

    // Panes take the room that prompt and persona leave.
    measure(context) {
      const sizes = new ResizeObserver(() => {
        this.form.style.setProperty("--context", `${Math.round(context.getBoundingClientRect().height)}px`);
      });
      sizes.observe(context);
    }

    makeSwitch(box) {
      this.buttons = box ? this.responses.map((response) => this.switchTo(response)) : [];
      if (!box) return;
      box.append(...this.buttons);
      box.hidden = false;
      this.form.querySelector("[data-responses]").classList.add("one-at-a-time");
      this.select(this.responses[0]);
    }

    switchTo(response) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = response.dataset.response;
      button.addEventListener("click", () => this.turnTo(response));
      return button;
    }

    select(response) {
      this.shown = response;
      this.responses.forEach((other, index) => {
        other.classList.toggle("is-shown", other === response);
        this.buttons[index].ariaPressed = String(other === response);
      });
    }

    // Each response is found where it was left; one that is new, at its beginning.
    turnTo(response) {
      if (response === this.shown) return;
      const top = () => this.form.querySelector("[data-responses]").getBoundingClientRect().top + scrollY;
      this.places.set(this.shown, scrollY - top());
      this.select(response);
      const start = Math.min(scrollY, top() - this.margin);
      scrollTo({ top: this.places.has(response) ? top() + this.places.get(response) : start, behavior: "instant" });
    }

    // What sticks to the top of the window covers so much of it.
    get margin() {
      return parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
    }

    bringUp(element) {
      const response = element?.closest("[data-response]");
      if (this.shown && response) this.select(response);
    }

    update() {
      this.buttons.forEach((button, index) => {
        const count = this.openIn(this.responses[index]);
        const letter = button.textContent;
        button.classList.toggle("is-rated", count === 0);
        button.ariaLabel = count
          ? fill(ngettext("Response %(letter)s: %(count)s still to answer", "Response %(letter)s: %(count)s still to answer", count), { letter, count })
          : fill(gettext("Response %(letter)s: all answered"), { letter });
      });
    }
  }

  class Page {
    constructor(form) {
      this.form = form;
      const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
      this.scales = [...form.querySelectorAll("[data-scale]")].map((fieldset) => window.personaeval.scaleOf(fieldset, token, () => this.update()));
      this.followups = [...form.querySelectorAll("[data-followup]")].map(
        (element) => new window.personaeval.Followup(element, token, () => this.update()),
      );
      this.controls = [...this.scales, ...this.followups];
      this.asked = this.controls.filter((control) => this.entryOf(control));
      this.reading = new Reading(form, (response) => this.openIn(response));
      for (const control of this.controls) control.resume();
      for (const { dataset } of form.querySelectorAll("[data-fixed]")) window.personaeval.kept.remove(`answer:${dataset.fixed}`);
      form.addEventListener("submit", (event) => this.submit(event));
      form.addEventListener("keydown", (event) => this.key(event));
      for (const link of form.querySelectorAll("[data-missing-for] a")) {
        link.addEventListener("click", (event) => {
          event.preventDefault();
          this.focus(this.asked.find((control) => `#${control.target.id}` === link.hash));
        });
      }
      window.addEventListener("online", () => this.controls.forEach((control) => control.sent && control.post()));
      window.addEventListener("beforeunload", (event) => {
        if (!this.leaving && !this.isSettled) event.preventDefault();
      });
      this.update();
    }

    get missing() {
      return this.asked?.filter((control) => control.value === null && !control.element.hidden);
    }

    get isSettled() {
      return this.controls.every((control) => control.isSettled);
    }

    update() {
      for (const scale of this.scales ?? []) scale.keepAsked();
      for (const control of this.asked ?? []) {
        this.entryOf(control).hidden = control.value !== null || control.element.hidden;
        if (control.value !== null) control.element.classList.remove("is-missing");
      }
      this.reading?.update();
      if (this.waiting && this.isSettled) return this.leave();
      const title = this.form.querySelector("[data-missing-title]");
      if (title.textContent !== this.standing) title.textContent = this.standing;
    }

    // Its line in the list of what is missing; a remark that may be left out has none.
    entryOf(control) {
      return control.target && this.form.querySelector(`[data-missing-for="${control.target.id}"]`);
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

    // How many questions about a response are still open.
    openIn(response) {
      return this.missing.filter((scale) => response.contains(scale.element)).length;
    }

    focus(scale) {
      this.reading.bringUp(scale?.element);
      scale?.element.scrollIntoView({ block: "center" });
      scale?.control.focus({ preventScroll: true });
    }

    // Digits answer the focused question and move on to the next one that is open; arrows are the radios' own.
    key(event) {
      if (!/^[0-9]$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
      const at = this.scales.findIndex((scale) => scale.element.contains(event.target));
      const group = event.target.closest("[data-place]") ?? this.scales[at]?.element;
      const radio = group?.querySelector(`input[type=radio][value="${event.key}"]`);
      if (!radio) return;
      event.preventDefault();
      radio.focus({ preventScroll: true });
      if (!radio.checked) radio.click();
      if (this.scales[at].isPartial) return this.focus(this.scales[at]);
      const later = [...this.scales.slice(at + 1), ...this.scales.slice(0, at)].find((scale) => this.missing.includes(scale));
      if (later) this.focus(later);
      else this.form.querySelector("[data-continue]").focus();
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector("[data-rating-form]");
    if (form) new Page(form);
  });
})();
