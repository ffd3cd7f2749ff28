// The writing page: htmx saves the draft while it is typed; this keeps it when a save does not get through.
"use strict";

(() => {
  const RETRY_FIRST_MS = 1000;
  const RETRY_LAST_MS = 15000;

  class Draft {
    constructor(form) {
      this.form = form;
      this.area = form.querySelector("textarea");
      this.storageKey = `draft:${form.dataset.draftKey}`;
      this.delay = RETRY_FIRST_MS;
      this.area.addEventListener("input", () => localStorage.setItem(this.storageKey, this.area.value));
      this.area.addEventListener("htmx:afterRequest", (event) => this.after(event.detail));
      form.addEventListener("click", (event) => this.choose(event.target.closest("[data-keep]")));
      form.addEventListener("submit", () => localStorage.removeItem(this.storageKey));
      window.addEventListener("online", () => this.failed && this.save());
      this.restore();
    }

    // A text that never reached the server, because the page was closed or reloaded too soon.
    restore() {
      const kept = localStorage.getItem(this.storageKey);
      if (kept === null || kept === this.area.value) return;
      this.area.value = kept;
      this.save();
    }

    save() {
      window.htmx.trigger(this.area, "retry");
    }

    after({ xhr, requestConfig }) {
      this.failed = xhr.status === 0 || xhr.status >= 500;
      if (this.failed) {
        const state = this.form.querySelector("[data-save-state]");
        state.textContent = "Not saved yet. Your text is kept here and sent again as soon as there is a connection.";
        state.classList.add("failed");
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.save(), this.delay);
        this.delay = Math.min(this.delay * 2, RETRY_LAST_MS);
        return;
      }
      this.delay = RETRY_FIRST_MS;
      if (xhr.status === 200 && requestConfig.parameters.text === this.area.value) localStorage.removeItem(this.storageKey);
    }

    choose(button) {
      if (!button) return;
      if (button.dataset.keep === "other") this.area.value = this.form.querySelector("[data-other-text]").textContent;
      this.form.querySelector("[name=version]").value = button.dataset.version;
      this.area.focus();
      this.save();
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector("[data-draft-form]");
    if (form) new Draft(form);
  });
})();
