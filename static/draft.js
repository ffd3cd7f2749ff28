// The writing page: htmx saves the draft while it is typed; this keeps it when a save does not get through.
"use strict";

(() => {
  const { gettext } = window.personaeval;
  const RETRY_FIRST_MS = 1000;
  const RETRY_LAST_MS = 15000;
  const { kept } = window.personaeval;

  class Draft {
    constructor(form) {
      this.form = form;
      this.area = form.querySelector("textarea[name=text]");
      this.storageKey = `draft:${form.dataset.draftKey}`;
      this.delay = RETRY_FIRST_MS;
      this.area.addEventListener("input", () => this.keep());
      this.area.addEventListener("htmx:afterRequest", (event) => this.after(event.detail));
      form.addEventListener("click", (event) => this.choose(event.target.closest("[data-keep]")));
      // Kept until a later page shows that it has arrived; see app.js.
      form.addEventListener("submit", () => kept.set("draft-sent", this.storageKey));
      window.addEventListener("online", () => this.failed && this.save());
      this.restore();
    }

    get version() {
      return this.form.querySelector("[name=version]");
    }

    keep() {
      kept.set(this.storageKey, { text: this.area.value, version: this.version.value });
    }

    // A text that never reached the server, because the page was closed or reloaded too soon. It goes with the version
    // it was typed over, so that what another device has saved since is not overwritten unseen.
    restore() {
      const typed = kept.get(this.storageKey);
      if (typed === null || typed.text === this.area.value) return;
      this.area.value = typed.text;
      this.version.value = typed.version;
      this.save();
    }

    say(text) {
      const state = this.form.querySelector("#draft [data-save-state]");
      state.textContent = text;
      state.classList.add("failed");
    }

    save() {
      window.htmx.trigger(this.area, "retry");
    }

    after({ xhr, requestConfig }) {
      this.failed = xhr.status === 0 || xhr.status >= 500;
      if (this.failed) {
        this.say(gettext("Not saved yet. Your text is kept here and sent again as soon as there is a connection."));
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.save(), this.delay);
        this.delay = Math.min(this.delay * 2, RETRY_LAST_MS);
        return;
      }
      this.delay = RETRY_FIRST_MS;
      if (xhr.status === 200) {
        if (requestConfig.parameters.text === this.area.value) kept.remove(this.storageKey);
        else this.keep();
      } else if (xhr.status !== 409 && xhr.status !== 422) {
        // The page's form token is no longer accepted; after a reload the kept text is sent with a new one.
        this.say(gettext("Not saved yet. Reload this page: your text is kept and sent then."));
      }
    }

    choose(button) {
      if (!button) return;
      if (button.dataset.keep === "other") this.area.value = this.form.querySelector("[data-other-text]").textContent;
      this.version.value = button.dataset.version;
      this.keep();
      this.area.focus();
      this.save();
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector("[data-draft-form]");
    if (form) new Draft(form);
  });
})();
