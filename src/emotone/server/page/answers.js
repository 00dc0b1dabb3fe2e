// The answers in words: the one that is looked at, the list of all, and how long each emotion lasts.

import { clock, FLAGS, hasNumbersOnly, isQuiet, nameOf, percent, QUIET, span, tintOf, UNSURE } from "./words.js";

const PAGE = 200; // rows of the table at once, so that a day of speech stays light

export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// What a recogniser's card says, with its headings, lists and bold words.
export function prose(text) {
  return text.split(/\n{2,}/).map((block) => block.trim()).filter(Boolean).flatMap((block) => {
    const points = block.split(/^- /m).map((part) => part.replace(/\s+/g, " ").trim()).filter(Boolean);
    if (block.startsWith("- ")) return [make("ul", {}, ...points.map((point) => make("li", {}, ...bold(point))))];
    return [make(/[.:!?*)]$/.test(block) ? "p" : "h3", {}, ...bold(points.join(" ")))];
  });
}

const bold = (text) => text.split(/\*\*(.+?)\*\*/).map((part, n) => (n % 2 ? make("b", {}, part) : part));

export function swatch(name) {
  const kind = name === UNSURE ? "swatch hatched" : name === QUIET ? "swatch line" : "swatch";
  const box = make("span", { class: kind, "aria-hidden": "true" });
  if (name !== QUIET) box.style.backgroundColor = tintOf(name);
  return box;
}

// --- one answer ---

export class Answer {
  constructor(find) {
    this.parts = Object.fromEntries(["answer-title", "tint", "headline", "sure", "when", "bars", "rest"].map((id) => [id, find(id)]));
    this.bars = new Map();
  }

  // A bar for each emotion that the recogniser knows, always at the same place.
  useLabels(labels) {
    this.bars.clear();
    this.parts.bars.replaceChildren(...labels.map((label) => {
      const fill = make("b"), share = make("span", { class: "share" }, "–"), mark = make("span", { class: "unseen" });
      fill.style.backgroundColor = tintOf(label);
      const row = make("li", {}, make("span", { class: "name" }, swatch(label), label),
        make("i", { "aria-hidden": "true" }, fill), share, mark);
      this.bars.set(label, { row, fill, share, mark });
      return row;
    }));
    this.clear();
  }

  clear(title = "Chosen", words = "Nothing chosen yet.") {
    this.shown = null;
    const { parts } = this;
    parts["answer-title"].textContent = title;
    parts.headline.textContent = "–";
    parts.sure.textContent = parts.rest.textContent = "";
    parts.when.textContent = words;
    parts.tint.replaceChildren();
    this.fill({ scores: {}, likely: [] });
  }

  show(segment, title) {
    this.shown = segment;
    const { parts } = this, name = nameOf(segment);
    parts["answer-title"].textContent = title;
    parts.tint.replaceChildren(swatch(name));
    parts.headline.textContent = hasNumbersOnly(segment) ? numbers(segment) : name;
    parts.sure.textContent = segment.emotion === null ? "" : percent(segment.confidence);
    parts.when.textContent = [span(segment), segment.speaker,
      segment.channel === undefined ? null : `channel ${segment.channel + 1}`].filter(Boolean).join(", ");
    parts.rest.textContent = remarks(segment);
    this.fill(segment);
  }

  fill({ scores, likely }) {
    for (const [label, { row, fill, share, mark }] of this.bars) {
      const known = label in scores;
      fill.style.width = known ? `${100 * scores[label]}%` : "0";
      share.textContent = known ? percent(scores[label]) : "–";
      const open = likely.includes(label);
      row.classList.toggle("likely", open);
      mark.textContent = open ? ", can’t be ruled out" : "";
    }
  }
}

const numbers = (segment) => Object.entries(segment.dimensions).map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");

function remarks(segment) {
  const open = segment.likely.length ? `Can’t be ruled out: ${segment.likely.join(", ")}.` : "";
  const measured = segment.emotion !== null && Object.keys(segment.dimensions).length ? `${numbers(segment)}.` : "";
  return [...segment.flags.map((flag) => FLAGS[flag] ?? flag), open, measured].filter(Boolean).join(" ");
}

// --- all of them ---

export class Table {
  constructor(find, chosen) {
    this.body = find("table");
    this.box = this.body.closest(".wide");
    this.parts = { earlier: find("earlier"), later: find("later"), shown: find("shown"), empty: find("empty") };
    this.chosen = chosen;
    this.clear();
    this.parts.earlier.addEventListener("click", () => this.page(this.first - PAGE));
    this.parts.later.addEventListener("click", () => this.page(this.first + PAGE));
  }

  clear() {
    this.segments = [];
    this.selected = -1;
    this.page(0);
  }

  show(segments) {
    this.segments = segments;
    this.selected = -1;
    this.page(0);
  }

  // A segment that has just become final, at the end of `segments`; the newest ones stay in view.
  add(segments) {
    this.segments = segments;
    if (segments.length - this.first > PAGE) this.page(segments.length - PAGE / 2);
    else this.body.append(this.row(segments.length - 1));
    this.count();
    this.box.scrollTop = this.box.scrollHeight;
  }

  select(i) {
    this.rowOf(this.selected)?.classList.remove("now");
    this.selected = i;
    if (i < 0) return;
    if (i < this.first || i >= this.first + PAGE) this.page(Math.floor(i / PAGE) * PAGE);
    const row = this.rowOf(i);
    row.classList.add("now");
    const { box } = this, top = row.offsetTop;
    if (top < box.scrollTop + 40 || top > box.scrollTop + box.clientHeight - 60) box.scrollTop = top - box.clientHeight / 2;
  }

  rowOf(i) {
    return i < this.first ? undefined : this.body.children[i - this.first];
  }

  page(first) {
    this.first = Math.max(0, Math.min(first, this.segments.length - 1));
    const last = Math.min(this.segments.length, this.first + PAGE);
    this.body.replaceChildren(...Array.from({ length: last - this.first }, (_, n) => this.row(this.first + n)));
    this.rowOf(this.selected)?.classList.add("now");
    this.box.scrollTop = 0;
    this.count();
  }

  count() {
    const n = this.segments.length, last = Math.min(n, this.first + PAGE);
    this.parts.empty.hidden = n > 0;
    this.parts.shown.textContent = n > PAGE ? `${this.first + 1} to ${last} of ${n.toLocaleString("en")}` : "";
    this.parts.earlier.classList.toggle("hidden", this.first === 0);
    this.parts.later.classList.toggle("hidden", last >= n);
  }

  row(i) {
    const segment = this.segments[i], name = nameOf(segment);
    const where = segment.channel === undefined ? "" : ` ch. ${segment.channel + 1}`;
    const opener = make("button", { type: "button", "aria-label": `Hear ${span(segment)}, ${name}` }, span(segment));
    opener.addEventListener("click", () => this.chosen(i, { play: true }));
    const notes = segment.flags.filter((flag) => !["no_speech", "uncertain"].includes(flag)).map((flag) => FLAGS[flag] ?? flag);
    return make("tr", { role: "row" },
      make("th", { scope: "row", role: "rowheader" }, opener, where ? make("small", {}, where) : ""),
      make("td", { role: "cell", class: "heard" }, swatch(name), hasNumbersOnly(segment) ? numbers(segment) : name,
        ...notes.map((note) => make("small", {}, ` ${note}`))),
      make("td", { role: "cell", class: "number" }, Object.keys(segment.scores).length ? percent(segment.confidence) : ""),
      make("td", { role: "cell", class: "open" }, segment.likely.join(", ")));
  }
}

// --- how long each lasts ---

export class Legend {
  constructor(list) {
    this.list = list;
    this.times = new Map();
  }

  useLabels(labels) {
    this.times.clear();
    this.list.replaceChildren(...[...labels, UNSURE, QUIET].map((name) => {
      const time = make("span", { class: "time" }, "0:00");
      const item = make("li", { class: "none" }, swatch(name), `${name} `, time);
      this.times.set(name, { item, time, seconds: 0 });
      return item;
    }));
  }

  clear() {
    for (const entry of this.times.values()) this.set(entry, 0);
  }

  add(segment) {
    const entry = this.times.get(nameOf(segment));
    if (entry) this.set(entry, entry.seconds + segment.end - segment.start);
  }

  show(segments) {
    this.clear();
    segments.forEach((segment) => this.add(segment));
  }

  set(entry, seconds) {
    entry.seconds = seconds;
    entry.time.textContent = clock(seconds, 0);
    entry.item.classList.toggle("none", seconds === 0);
  }
}

export function summary(segments, seconds) {
  const channels = new Set(segments.map((segment) => segment.channel)).size || 1;
  const speech = segments.reduce((sum, one) => sum + (isQuiet(one) ? 0 : one.end - one.start), 0);
  const share = seconds > 0 ? `, ${percent(speech / (seconds * channels))} of it speech` : "";
  const n = segments.length;
  return `${clock(seconds)}${share}, ${n.toLocaleString("en")} segment${n === 1 ? "" : "s"}.`;
}
