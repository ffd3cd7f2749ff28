// What the rating page saves by itself is never lost on the way: the base of its scales and of what is added to them.
//
// A control sends one request at a time. A change during a request waits for its reply, because the reply carries the
// version that the next save has to name. A request that fails is sent again with the same key until the server has
// said what became of it, so nothing is saved twice. What is under way is also kept in this browser, for a reload.
"use strict";

(() => {
  const { fill, gettext, timed } = window.personaeval;
  const RETRY_FIRST_MS = 1000;
  const RETRY_LAST_MS = 15000;
  const REPLY_LIMIT_MS = 20000; // a connection that has gone silent counts as lost
  const { kept } = window.personaeval;
  const CHIP_SETTLE_MS = 250;
  const TYPING_SETTLE_MS = 800;

  const uuid = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    // Outside of a secure context (a plain http address on a lab network) only getRandomValues is there.
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };

  // A subclass says what it holds: fields(content) for the request, show(content), contentOf(json), conflict(json); and
  // how it is called, where that is no answer: keptHere, sentAfterReload.
  class Autosave {
    constructor(element, { storageKey, token, changed }) {
      this.element = element;
      this.url = element.dataset.url;
      this.storageKey = storageKey;
      this.token = token;
      this.changed = changed;
      this.version = element.querySelector("[data-version]");
      this.state = element.querySelector("[data-save-state]");
      this.sent = null; // { content, version, key }: on its way, outcome unknown
      this.next = null; // what has been chosen or typed meanwhile
      this.delay = RETRY_FIRST_MS;
      this.timer = null;
    }

    get keptHere() {
      return gettext("Not saved yet. Your answer is kept here and sent again as soon as there is a connection.");
    }

    get sentAfterReload() {
      return gettext("Not saved yet. Reload this page: your answer is kept and sent then.");
    }

    get hasFailed() {
      return this.state.classList.contains("failed");
    }

    get isSettled() {
      return !this.sent && this.next === null;
    }

    // Save this when nothing has followed for a while.
    take(content, settleMs) {
      this.element.querySelector(".conflict")?.remove();
      this.next = content;
      this.remember();
      if (!this.failing) this.say(gettext("Saving…"));
      clearTimeout(this.settle);
      this.settle = setTimeout(() => this.send(), settleMs);
    }

    remember() {
      if (this.isSettled) return kept.remove(this.storageKey);
      const { sent, next } = this;
      kept.set(this.storageKey, { sent, next, version: this.version.value });
    }

    // Take up what a reload or a closed tab left behind, with the version that it was made over: what another device
    // has saved since is not overwritten unseen.
    resume() {
      const stored = this.url && kept.get(this.storageKey);
      if (!stored) return;
      const { sent, next, version } = stored;
      this.sent = sent ?? null;
      this.next = next ?? null;
      if (this.isSettled) return;
      this.version.value = version;
      this.show(this.next ?? this.sent.content);
      this.say(gettext("Saving…"));
      this.changed();
      this.send();
    }

    flush() {
      clearTimeout(this.settle);
      this.send();
    }

    send() {
      if (!this.sent) {
        if (this.next === null) return;
        this.sent = { content: this.next, version: this.version.value, key: uuid() };
        this.next = null;
        this.remember();
      }
      this.post();
    }

    async post() {
      clearTimeout(this.timer);
      if (this.posting) return;
      this.posting = true;
      const { reply, json } = await this.reach();
      this.posting = false;
      if (!reply || reply.status >= 500) return this.retry();
      this.failing = false;
      if (!json) return this.expired();
      this.settled();
      if (reply.ok) this.saved(json);
      else if (reply.status === 409 && !json.out_of_step) this.conflict(json);
      else this.refused(json);
    }

    // Return the reply and what it holds; no reply where it was lost or cut short, nothing held where it is a page.
    async reach() {
      const body = new URLSearchParams({ csrfmiddlewaretoken: this.token, version: this.sent.version, client_key: this.sent.key });
      for (const [name, value] of this.fields(this.sent.content)) body.append(name, value);
      try {
        const signal = AbortSignal.timeout?.(REPLY_LIMIT_MS);
        const reply = await fetch(this.url, { method: "POST", body, signal, headers: { Accept: "application/json" } });
        const isJson = (reply.headers.get("Content-Type") ?? "").includes("application/json");
        return { reply, json: isJson ? await reply.json() : null };
      } catch (error) {
        // A network that is lost, silent or in the middle of an answer has many names; whatever it is, it is sent again.
        console.warn(error);
        return { reply: null, json: null };
      }
    }

    retry() {
      this.failing = true;
      this.say(this.keptHere, true);
      this.changed();
      this.timer = setTimeout(() => this.post(), this.delay);
      this.delay = Math.min(this.delay * 2, RETRY_LAST_MS);
    }

    // The page's form token is no longer accepted; after a reload what was kept is sent with a new one.
    expired() {
      this.say(this.sentAfterReload, true);
      this.changed();
    }

    settled() {
      this.attempted = this.sent.content;
      this.sent = null;
      this.delay = RETRY_FIRST_MS;
      this.remember();
    }

    saved(json) {
      this.version.value = json.version;
      if (JSON.stringify(this.next) === JSON.stringify(this.contentOf(json))) this.next = null;
      this.remember();
      if (this.next !== null) return this.send();
      this.sayWhenSaved(json);
      this.changed();
    }

    refused(json) {
      this.next = null;
      this.remember();
      this.say(fill(gettext("Not saved. %(reason)s"), { reason: json.message }), true);
      this.changed();
    }

    // Ask which of two is meant: a box with what is to be read, and one button for each.
    ask(contents, choices) {
      const box = document.createElement("div");
      box.className = "notice warn conflict stack tight";
      box.setAttribute("role", "alert");
      const row = document.createElement("p");
      row.className = "row";
      row.append(...choices.map(([text, action]) => this.choice(text, action)));
      box.append(...contents, row);
      this.element.querySelector(".conflict")?.remove();
      this.element.append(box);
    }

    // What stands here stays in the fields, and kept in this browser, until one of the two has been chosen.
    askBetween(saved, keep, take) {
      this.next = this.content;
      this.remember();
      this.say(gettext("Not saved yet."), true);
      const text = document.createElement("p");
      text.textContent = gettext("Another tab or device saved something else here. Yours is still in the fields and not saved yet. What is saved:");
      const other = document.createElement("blockquote");
      Object.assign(other, { dir: "auto", translate: false });
      other.textContent = saved.filter(Boolean).join(" · ") || gettext("Nothing");
      this.ask([text, other], [[gettext("Keep mine"), keep], [gettext("Use what is saved"), take]]);
    }

    choice(text, action) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button secondary small";
      button.textContent = text;
      button.addEventListener("click", action);
      return button;
    }

    sayWhenSaved(json) {
      this.say("");
      if (json.saved_at) this.state.append(...timed(gettext("Saved at %(time)s"), json.saved_at));
    }

    // The same words again are not announced again.
    say(text, failed = false) {
      if (this.state.textContent !== text) this.state.textContent = text;
      this.state.classList.toggle("failed", failed);
    }
  }

  // What may be added to the answers about one response or persona: chips and a text, saved as the scales are.
  class Followup extends Autosave {
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

    conflict(json) {
      const saved = [...json.chips.map((chip) => this.wordsOf(chip)), json.text];
      this.askBetween(saved, () => this.settleOn(this.content, json), () => this.settleOn(json, json));
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

  Object.assign(window.personaeval, { Autosave, Followup });
})();

// Time on a page: focused (in view and in use) and idle (hidden, or untouched for 30 s) apart.

(() => {
  const IDLE_AFTER_MS = 30000;
  const TICK_MS = 1000;
  const REPORT_EVERY_MS = 15000;

  class Visit {
    constructor(element) {
      this.data = element.dataset;
      this.token = document.querySelector("[name=csrfmiddlewaretoken]").value;
      this.focused = 0;
      this.idle = 0;
      this.last = this.touched = performance.now();
      for (const name of ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"]) {
        window.addEventListener(name, () => (this.touched = performance.now()), { passive: true, capture: true });
      }
      setInterval(() => this.count(), TICK_MS);
      setInterval(() => this.report(), REPORT_EVERY_MS);
      document.addEventListener("visibilitychange", () => {
        this.count();
        this.report();
      });
      window.addEventListener("pagehide", () => {
        this.count();
        this.report();
      });
    }

    count() {
      const now = performance.now();
      const inUse = document.visibilityState === "visible" && now - this.touched < IDLE_AFTER_MS;
      if (inUse) this.focused += now - this.last;
      else this.idle += now - this.last;
      this.last = now;
    }

    report() {
      const body = new FormData();
      body.set("csrfmiddlewaretoken", this.token);
      body.set("visit", this.data.visit);
      body.set("phase", this.data.phase);
      body.set("focused_ms", Math.round(this.focused));
      body.set("idle_ms", Math.round(this.idle));
      navigator.sendBeacon(this.data.timeUrl, body);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const element = document.querySelector("[data-visit]");
    if (element) new Visit(element);
  });
})();
