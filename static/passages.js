// Questions that are answered by passages of a response: marked where they stand, listed below with their reasons.
//
// What the page shows says where it stands in the response's text (data-at, in code points), so Markdown, code and
// tables stay as they are. Formulas and addresses say nothing: a passage goes across them, and ends before or behind.
"use strict";

(() => {
  const { fill, gettext, Scale, kinds } = window.personaeval;
  const CHOSEN_SETTLE_MS = 0;
  const TYPING_SETTLE_MS = 800;
  const PREVIEW = 80;
  // Old browsers have the list alone.
  const drawn = globalThis.CSS?.highlights && new Highlight();
  if (drawn) CSS.highlights.set("passages", drawn);
  let made = 0;

  const lengthOf = (text) => [...text].length;
  const solid = (text) => text.replace(/\s+/gu, "");

  const button = (text, action) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", className: "button secondary small", textContent: text });
    made.addEventListener("click", action);
    return made;
  };

  // The text of a response as it stands on the page.
  class Text {
    constructor(element) {
      this.element = element;
    }

    // The nodes that say where they stand, each with the first code point.
    *pieces() {
      for (const piece of this.element.querySelectorAll("[data-at]")) {
        if (piece.firstChild) yield { node: piece.firstChild, at: Number(piece.dataset.at) };
      }
    }

    // Return a selection as a passage, without blanks around it; null where nothing of it says where it stands.
    passage(range) {
      const parts = [...this.pieces()].filter(({ node }) => range.intersectsNode(node)).map(({ node, at }) => {
        const from = range.startContainer === node ? range.startOffset : 0;
        const to = range.endContainer === node ? range.endOffset : node.length;
        return { node, at: at + lengthOf(node.data.slice(0, from)), text: node.data.slice(from, to) };
      }).filter(({ text }) => text.trim());
      if (!parts.length) return null;
      const first = parts[0];
      const last = parts[parts.length - 1];
      const start = first.at + lengthOf(first.text) - lengthOf(first.text.trimStart());
      return { text: this.joined(parts).trim(), at: `${start}-${last.at + lengthOf(last.text.trimEnd())}` };
    }

    // Between two pieces the page has a line end or nothing; a new line tells blocks apart.
    joined(parts) {
      const blockOf = ({ node }) => node.parentElement.closest("p, li, td, th, h3, h4, h5, h6, pre, blockquote, .response-text");
      const apart = (one, other) => {
        const between = document.createRange();
        between.setStart(one.node, one.node.length);
        between.setEnd(other.node, 0);
        return /\s/u.test(between.toString()) || blockOf(one) !== blockOf(other);
      };
      return parts.map((part, index) => (index && apart(parts[index - 1], part) ? "\n" : "") + part.text).join("");
    }

    // Return where a passage stands on the page, null for an unknown place.
    rangeOf(place) {
      const [start, end] = place.split("-").map(Number);
      const range = document.createRange();
      let isBegun = false;
      for (const { node, at } of this.pieces()) {
        const points = [...node.data];
        if (at >= end || at + points.length <= start) continue;
        const offset = (point) => points.slice(0, Math.max(0, point - at)).join("").length;
        if (!isBegun) range.setStart(node, offset(start));
        range.setEnd(node, offset(Math.min(end, at + points.length)));
        isBegun = true;
      }
      return isBegun ? range : null;
    }
  }

  class Passages extends Scale {
    constructor(fieldset, token, changed) {
      super(fieldset, token, changed);
      this.name = fieldset.dataset.scale;
      this.text = new Text(fieldset.closest("[data-response]").querySelector(".response-text"));
      this.list = fieldset.querySelector("[data-passages]");
      this.nothing = fieldset.querySelector("[type=checkbox]");
      this.ranges = [];
      this.blank = this.rows[0].cloneNode(true);
      for (const field of this.fieldsOf(this.blank)) field.value = "";
      for (const element of fieldset.querySelectorAll("[data-by-hand]")) element.remove();
      this.makeBar();
      for (const row of this.rows) {
        if (this.contentIn(row).text || this.contentIn(row).reason) this.enhance(row);
        else row.remove();
      }
      fieldset.addEventListener("input", (event) => this.edited(event.target.matches("textarea, [inputmode]") ? TYPING_SETTLE_MS : CHOSEN_SETTLE_MS));
      document.addEventListener("selectionchange", () => this.select());
      this.draw();
    }

    makeBar() {
      this.bar = document.createElement("div");
      this.bar.className = "marking-bar";
      this.selected = document.createElement("p");
      this.selected.className = "selected";
      this.selected.dir = "auto";
      this.selected.setAttribute("role", "status");
      this.mark = button(gettext("Mark the selected passage"), () => this.markSelected());
      this.mark.classList.replace("secondary", "primary");
      this.type = button(gettext("Type a passage"), () => this.add({ text: "", at: "", label: "", reason: "" }));
      this.bar.append(this.selected, this.mark, this.type);
      this.list.before(this.bar);
      // On a telephone the words that are selected may stand far above the list.
      this.near = button(this.mark.textContent, () => this.markSelected());
      this.near.classList.add("mark-near");
      this.element.closest("form").querySelector("[data-bottom-bar]").prepend(this.near);
      this.select();
    }

    get rows() {
      return [...this.list.querySelectorAll("[data-passage]")];
    }

    field(row, name) {
      return row.querySelector(`[name="${this.name}.${name}"]`);
    }

    fieldsOf(row) {
      return [...row.querySelectorAll("textarea, input, select")];
    }

    contentIn(row) {
      const value = (name) => this.field(row, name)?.value ?? "";
      return { text: value("text"), at: value("at"), which: value("which"), label: value("label"), reason: value("reason") };
    }

    get content() {
      return { rows: this.rows.map((row) => this.contentIn(row)), nothing: this.nothing.checked };
    }

    contentOf(json) {
      return { rows: json.passages, nothing: json.value === 0 };
    }

    get value() {
      return this.isComplete(this.content) ? String(this.rows.length) : null;
    }

    isComplete({ rows, nothing }) {
      return rows.length ? !nothing && rows.every((row) => !this.lacking(row)) : nothing;
    }

    // Return the name of the field that has to be filled in; undefined where none has to.
    lacking(content) {
      if (!content.text.trim()) return "text";
      if (this.field(this.blank, "label") && !content.label) return "label";
      return this.field(this.blank, "reason")?.ariaRequired === "true" && !content.reason.trim() ? "reason" : undefined;
    }

    get isPartial() {
      return this.rows.length > 0 && this.value === null;
    }

    get isDisputed() {
      return this.element.querySelector(".conflict") !== null;
    }

    get control() {
      const row = this.rows.find((one) => this.lacking(this.contentIn(one)));
      return row ? this.field(row, this.lacking(this.contentIn(row))) : this.mark;
    }

    // What is selected stays so while a button is pressed, on telephones too, where a tap ends the selection.
    select() {
      const selection = getSelection();
      const range = selection.rangeCount ? selection.getRangeAt(0) : null;
      const isHere = range && this.text.element.contains(range.startContainer) && this.text.element.contains(range.endContainer);
      if (isHere) this.found = range.collapsed ? null : this.text.passage(range);
      const text = this.found?.text.replace(/\s+/gu, " ") ?? "";
      const shown = text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text;
      this.near.hidden = !text;
      const words = text ? fill(gettext("Selected: “%(passage)s”"), { passage: shown }) : gettext("Select words in the response to mark them.");
      if (this.selected.textContent !== words) this.selected.textContent = words;
    }

    markSelected() {
      if (!this.found) return this.say(gettext("Nothing that can be marked is selected. Select words in the response first."), true);
      if (this.rows.some((row) => this.field(row, "at").value === this.found.at)) return this.say(gettext("This passage is marked already."), true);
      this.add({ ...this.found, label: "", reason: "" });
      this.found = null;
      getSelection().removeAllRanges();
      this.select();
    }

    add(content) {
      if (this.rows.length >= Number(this.element.dataset.most)) return this.say(gettext("No more passages can be marked here. Remove one first."), true);
      const row = this.rowOf(content);
      this.list.append(row);
      this.nothing.checked = false;
      this.edited(CHOSEN_SETTLE_MS);
      const lacking = this.lacking(content);
      if (lacking) this.field(row, lacking).focus();
    }

    rowOf(content) {
      const row = this.blank.cloneNode(true);
      for (const [name, value] of Object.entries(content)) {
        const field = this.field(row, name);
        if (field) field.value = value;
      }
      this.enhance(row);
      return row;
    }

    // A passage in its place is read; one that is typed can be corrected until it is saved.
    enhance(row) {
      if (!row.querySelector("[data-remove]")) {
        const remove = button(gettext("Remove"), () => this.remove(row));
        remove.dataset.remove = "";
        row.append(remove);
      }
      const { text, at } = this.contentIn(row);
      if (!at || row.querySelector("blockquote")) return;
      const quote = document.createElement("blockquote");
      Object.assign(quote, { id: `passage-${(made += 1)}`, dir: "auto", translate: false, textContent: text });
      row.prepend(quote);
      for (const element of row.querySelectorAll("[data-text], [data-which]")) element.hidden = true;
      for (const field of this.fieldsOf(row)) field.setAttribute("aria-describedby", quote.id);
      row.querySelector("[data-remove]").setAttribute("aria-describedby", quote.id);
    }

    remove(row) {
      row.remove();
      this.edited(CHOSEN_SETTLE_MS);
      this.mark.focus();
    }

    edited(settleMs) {
      const { content } = this;
      this.draw();
      if (this.url && (this.isDisputed || !this.isComplete(content))) this.holdBack(content);
      else if (this.url) this.take(content, settleMs);
      else this.say("");
      this.changed();
    }

    // Kept in this browser until it is complete, or one of two is chosen. Nothing at all is no answer yet.
    holdBack(content) {
      clearTimeout(this.settle);
      this.next = content.rows.length || content.nothing ? content : null;
      this.remember();
      if (!this.isDisputed) this.say(this.whyNot(content));
    }

    whyNot({ rows, nothing }) {
      if (rows.length && nothing) return gettext("Not saved yet: passages are marked, and “Nothing to mark” is chosen too.");
      return rows.length ? gettext("Not saved yet: fill in what is missing for each passage.") : "";
    }

    send() {
      if (!this.sent && this.next && !this.isComplete(this.next)) this.say(this.whyNot(this.next));
      else super.send();
    }

    fields({ rows, nothing }) {
      const fields = rows.flatMap((row) => Object.entries(row).map(([name, value]) => [`${this.name}.${name}`, value]));
      return nothing ? [...fields, [`${this.name}.none`, "1"]] : fields;
    }

    // The server has found the places of those that were typed.
    saved(json) {
      const open = [...json.passages];
      for (const row of this.rows) {
        const at = open.findIndex((one) => solid(one.text) === solid(this.field(row, "text").value));
        if (at < 0 || this.field(row, "at").value) continue;
        this.field(row, "at").value = open.splice(at, 1)[0].at;
        this.enhance(row);
      }
      this.draw();
      super.saved(json);
    }

    // What is refused stays on the page and in this browser, to be put right.
    refused(json) {
      this.next ??= this.attempted;
      this.remember();
      this.say(fill(gettext("Not saved. %(reason)s"), { reason: json.message }), true);
      this.changed();
    }

    show({ rows, nothing }) {
      this.list.replaceChildren(...rows.map((row) => this.rowOf(row)));
      this.nothing.checked = nothing;
      this.draw();
    }

    clear() {
      this.show({ rows: [], nothing: false });
    }

    draw() {
      this.nothing.closest("label").hidden = this.rows.length > 0 && !this.nothing.checked;
      if (!drawn) return;
      for (const range of this.ranges) drawn.delete(range);
      const places = this.rows.map((row) => this.field(row, "at").value).filter(Boolean);
      this.ranges = places.map((place) => this.text.rangeOf(place)).filter(Boolean);
      for (const range of this.ranges) drawn.add(range);
    }

    conflict(json) {
      const saved = json.passages.map((one) => `“${one.text}”${one.reason && `: ${one.reason}`}`);
      this.askBetween(saved, () => this.settleOn(json, true), () => this.settleOn(json, false));
      this.changed();
    }

    settleOn(json, isMine) {
      this.element.querySelector(".conflict").remove();
      this.version.value = json.version;
      if (isMine) return this.edited(CHOSEN_SETTLE_MS);
      this.show(this.contentOf(json));
      this.next = null;
      this.remember();
      this.sayWhenSaved(json);
      this.changed();
    }
  }

  kinds.span = Passages;
})();
