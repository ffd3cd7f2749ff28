// Time on a page: focused (in view and in use) and idle (hidden, or untouched for 30 s) apart.
"use strict";

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
