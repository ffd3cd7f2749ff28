// The rating page: every answer is saved as it is clicked, and is never lost on the way.
//
// A scale sends one request at a time. A click during a request waits for its reply, because the reply carries the
// version that the next save has to name. A request that fails is sent again with the same key until the server has
// said what became of it, so nothing is saved twice. What is under way is also kept in localStorage, for a reload.
"use strict";

(() => {
  const RETRY_FIRST_MS = 1000;
  const RETRY_LAST_MS = 15000;
  const SETTLE_MS = 250; // arrow keys pass over values on the way to the one that is meant

  const uuid = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    // Outside of a secure context (a plain http address on a lab network) only getRandomValues is there.
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };

  class Scale {
    constructor(fieldset, token, changed) {
      this.fieldset = fieldset;
      this.url = fieldset.dataset.url;
      this.token = token;
      this.changed = changed;
      this.version = fieldset.querySelector("[data-version]");
      this.state = fieldset.querySelector("[data-save-state]");
      this.storageKey = `answer:${fieldset.dataset.scale}`;
      this.sent = null; // { value, version, key }: on its way, outcome unknown
      this.next = null; // the value clicked meanwhile
      this.delay = RETRY_FIRST_MS;
      this.timer = null;
      fieldset.addEventListener("change", (event) => event.target.type === "radio" && this.clicked(event.target.value));
    }

    get value() {
      return this.fieldset.querySelector("input[type=radio]:checked")?.value ?? null;
    }

    get isSettled() {
      return !this.sent && this.next === null;
    }

    clicked(value) {
      this.changed();
      if (!this.url) return; // practice: nothing is kept
      this.fieldset.querySelector(".conflict")?.remove();
      this.next = value;
      this.say("Saving…");
      clearTimeout(this.settle);
      this.settle = setTimeout(() => this.send(), SETTLE_MS);
    }

    // Take up what a reload or a closed tab left behind.
    resume() {
      const stored = this.url && localStorage.getItem(this.storageKey);
      if (!stored) return;
      this.sent = JSON.parse(stored);
      this.check(this.sent.value);
      this.changed();
      this.post();
    }

    flush() {
      clearTimeout(this.settle);
      this.send();
    }

    send() {
      if (this.sent) return this.post();
      if (this.next === null) return;
      this.sent = { value: this.next, version: this.version.value, key: uuid() };
      this.next = null;
      localStorage.setItem(this.storageKey, JSON.stringify(this.sent));
      this.post();
    }

    async post() {
      clearTimeout(this.timer);
      if (this.posting) return;
      this.posting = true;
      const body = new URLSearchParams({
        csrfmiddlewaretoken: this.token,
        value: this.sent.value,
        version: this.sent.version,
        client_key: this.sent.key,
      });
      let reply = null;
      try {
        reply = await fetch(this.url, { method: "POST", body, headers: { Accept: "application/json" } });
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // fetch reports a lost network as a TypeError
      }
      this.posting = false;
      if (!reply || reply.status >= 500) return this.retry();
      if (!(reply.headers.get("Content-Type") ?? "").includes("application/json")) return this.expired();
      const json = await reply.json();
      this.settled();
      if (reply.ok) this.saved(json);
      else if (reply.status === 409) this.conflict(json);
      else this.refused(json);
    }

    retry() {
      this.say("Not saved yet. Your answer is kept here and sent again as soon as there is a connection.", true);
      this.timer = setTimeout(() => this.post(), this.delay);
      this.delay = Math.min(this.delay * 2, RETRY_LAST_MS);
    }

    // The page's form token is no longer accepted; after a reload the kept answer is sent with a new one.
    expired() {
      this.say("Not saved yet. Reload this page: your answer is kept and sent then.", true);
    }

    settled() {
      this.attempted = this.sent.value;
      this.sent = null;
      this.delay = RETRY_FIRST_MS;
      localStorage.removeItem(this.storageKey);
    }

    saved(json) {
      this.version.value = json.version;
      if (this.next === String(json.value)) this.next = null;
      if (this.next !== null) return this.send();
      this.say("Saved at ");
      this.state.append(window.personaeval.localTime(json.saved_at));
      this.changed();
    }

    conflict(json) {
      const mine = this.next ?? this.attempted;
      this.next = null;
      this.version.value = json.version;
      this.check(String(json.value));
      this.say("");
      const box = document.createElement("div");
      box.className = "notice warn conflict stack tight";
      box.setAttribute("role", "alert");
      const text = document.createElement("p");
      text.textContent = `Another tab or device answered “${this.label(json.value)}”, which is saved. Here you chose “${this.label(mine)}”.`;
      const row = document.createElement("p");
      row.className = "row";
      row.append(
        this.choice("Keep what is saved", () => box.remove()),
        this.choice("Use my answer here", () => {
          this.check(mine);
          this.clicked(mine);
        }),
      );
      box.append(text, row);
      this.fieldset.append(box);
      this.changed();
    }

    choice(text, action) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button secondary small";
      button.textContent = text;
      button.addEventListener("click", action);
      return button;
    }

    refused(json) {
      this.next = null;
      this.say(`Not saved. ${json.message}`, true);
      this.changed();
    }

    label(value) {
      const radio = this.fieldset.querySelector(`input[value="${value}"]`);
      return radio?.closest(".option").querySelector(".option-label").textContent.trim() ?? value;
    }

    check(value) {
      const radio = this.fieldset.querySelector(`input[value="${value}"]`);
      if (radio) radio.checked = true;
    }

    say(text, failed = false) {
      this.state.textContent = text;
      this.state.classList.toggle("failed", failed);
    }
  }

  class Page {
    constructor(form) {
      this.form = form;
      const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
      this.scales = [...form.querySelectorAll("[data-scale]")].map((fieldset) => new Scale(fieldset, token, () => this.update()));
      for (const scale of this.scales) scale.resume();
      form.addEventListener("submit", (event) => this.submit(event));
      form.addEventListener("keydown", (event) => this.key(event));
      for (const link of form.querySelectorAll("[data-missing-for] a")) {
        link.addEventListener("click", (event) => {
          event.preventDefault();
          this.focus(this.scales.find((scale) => `#${scale.fieldset.id}` === link.hash));
        });
      }
      window.addEventListener("online", () => this.scales.forEach((scale) => scale.sent && scale.post()));
      window.addEventListener("beforeunload", (event) => {
        if (!this.leaving && this.scales.some((scale) => !scale.isSettled)) event.preventDefault();
      });
      this.update();
    }

    get missing() {
      return this.scales.filter((scale) => scale.value === null);
    }

    update() {
      for (const scale of this.scales ?? []) {
        const entry = this.form.querySelector(`[data-missing-for="${scale.fieldset.dataset.scale}"]`);
        entry.hidden = scale.value !== null;
        if (scale.value !== null) scale.fieldset.classList.remove("is-missing");
      }
      this.form.querySelector("[data-missing-title]").textContent = this.missing?.length ? "Still to answer:" : "Everything is answered.";
      if (this.waiting && this.scales.every((scale) => scale.isSettled)) this.leave();
    }

    submit(event) {
      if (this.missing.length) {
        event.preventDefault();
        for (const scale of this.missing) scale.fieldset.classList.add("is-missing");
        this.focus(this.missing[0]);
      } else if (this.scales.some((scale) => !scale.isSettled)) {
        // Go on as soon as the last answer is acknowledged; update() sees to it.
        event.preventDefault();
        this.waiting = true;
        for (const scale of this.scales) if (!scale.isSettled) scale.flush();
      } else {
        this.leaving = true;
      }
    }

    leave() {
      this.waiting = false;
      if (this.form.querySelector(".conflict, .save-state.failed")) return;
      this.leaving = true;
      this.form.submit();
    }

    focus(scale) {
      const radio = scale?.fieldset.querySelector("input:checked") ?? scale?.fieldset.querySelector("input[type=radio]");
      scale?.fieldset.scrollIntoView({ block: "center" });
      radio?.focus({ preventScroll: true });
    }

    // Digits answer the focused question and move on to the next one that is open; arrows are the radios' own.
    key(event) {
      if (!/^[0-9]$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
      const at = this.scales.findIndex((scale) => scale.fieldset.contains(event.target));
      const radio = this.scales[at]?.fieldset.querySelector(`input[type=radio][value="${event.key}"]`);
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
