// The drawing: sound in the colours of what was heard, the segments, their probabilities, and how unsure they are.
// A row for each channel that is shown. Everything in it is also in the table below it, in words.

import { hasNumbersOnly, inkOn, isQuiet, nameOf, QUIET, tintOf, UNSURE, clock } from "./words.js";

const AXIS = 24;
const LIVE = 30; // seconds in view while somebody records
const SHORTEST = 0.5; // seconds in view at the closest
const SO_FAR = 0.55; // how much of its colour something provisional has
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");
const EVERY = 60, STILL_EVERY = 500; // milliseconds between drawings of what is being recorded

// Heights of a row's parts, which share the height there is: sound, strip, probabilities, doubt, and gaps.
const PARTS = { sound: 0.4, strip: 0.13, shares: 0.3, doubt: 0.08 };
const NAMES = { sound: "sound", strip: "heard as", shares: "probability", doubt: "unsure" };
const MARGIN = 84; // for their names, where there is room for it; else they are written above
const ROOMY = 640;

export class Timeline {
  // `chosen` is told of a segment that somebody chose and whether to play it, `moved` of a change of the view.
  constructor(box, { chosen, toggled, moved }) {
    this.box = box;
    this.canvas = box.querySelector("canvas");
    this.cursor = box.querySelector(".cursor");
    this.told = { chosen, toggled, moved };
    this.labels = [];
    this.reset();
    box.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    new ResizeObserver(() => this.draw()).observe(box);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  reset() {
    this.rows = [{ channel: null, shape: null, own: [] }];
    this.segments = [];
    this.provisional = null;
    this.length = 0;
    this.live = false;
    this.selected = -1;
    this.time = null;
    this.view = { from: 0, to: LIVE };
    this.draw();
  }

  // --- what there is to draw ---

  // Rows are `{channel, shape}`.
  show(segments, rows, length) {
    this.segments = segments;
    this.rows = rows.map((row) => ({ ...row, own: [] }));
    segments.forEach((segment, i) => this.rowOf(segment)?.own.push(i));
    this.length = Math.max(length, ...this.rows.map(({ own }) => (own.length ? segments[own.at(-1)].end : 0)));
    this.whole();
  }

  add(segment) {
    this.segments.push(segment);
    this.rowOf(segment)?.own.push(this.segments.length - 1);
    this.draw();
  }

  rowOf(segment) {
    return this.rows.find((row) => row.channel === (segment.channel ?? null));
  }

  // The recording goes on: its newest seconds stay in view.
  grow(length) {
    this.length = length;
    const from = Math.max(0, length - LIVE);
    this.view = { from, to: from + LIVE };
    this.draw();
  }

  look(from, to) {
    const wide = Math.min(this.length || LIVE, Math.max(SHORTEST, to - from));
    const left = Math.max(0, Math.min(from, (this.length || LIVE) - wide));
    this.view = { from: left, to: left + wide };
    this.told.moved(this.view);
    this.draw();
  }

  whole() {
    this.look(0, this.length || LIVE);
  }

  zoom(factor) {
    const { from, to } = this.view, chosen = this.segments[this.selected];
    let middle = chosen ? (chosen.start + chosen.end) / 2 : this.time ?? (from + to) / 2;
    if (middle < from || middle > to) middle = (from + to) / 2;
    const half = (factor * (to - from)) / 2;
    this.look(middle - half, middle + half);
  }

  get isWhole() {
    return this.view.to - this.view.from >= this.length - 1e-6;
  }

  // --- choosing ---

  select(i) {
    this.selected = i;
    const segment = this.segments[i];
    if (segment && !this.live && (segment.end <= this.view.from || segment.start >= this.view.to)) {
      const half = (this.view.to - this.view.from) / 2, middle = (segment.start + segment.end) / 2;
      this.look(middle - half, middle + half);
    }
    this.draw();
  }

  // The segment of a row at a time.
  at(time, row = this.rows[0]) {
    const place = this.firstAfter(row, time);
    const i = row.own[place];
    return i !== undefined && this.segments[i].start <= time ? i : -1;
  }

  // Where in a row the first segment is that ends after a time.
  firstAfter({ own }, time) {
    let low = 0, high = own.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.segments[own[middle]].end > time) high = middle; else low = middle + 1;
    }
    return low;
  }

  click(event) {
    const area = this.canvas.getBoundingClientRect();
    const time = this.timeAt(event.clientX - area.left);
    const row = this.rows[Math.min(this.rows.length - 1, Math.floor((event.clientY - area.top) / this.rowHeight()))];
    const i = this.at(time, row);
    if (i >= 0) this.told.chosen(i, { play: true });
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls, as anywhere
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.25 : 0.8);
  }

  key(event) {
    const shown = this.rows.flatMap(({ own }) => own).sort((a, b) => a - b);
    const place = shown.indexOf(this.selected);
    const actions = {
      ArrowRight: () => this.told.chosen(shown[Math.min(shown.length - 1, place + 1)], { play: false }),
      ArrowLeft: () => this.told.chosen(shown[Math.max(0, place - 1)], { play: false }),
      Home: () => this.told.chosen(shown[0], { play: false }),
      End: () => this.told.chosen(shown.at(-1), { play: false }),
      Enter: () => this.selected >= 0 && this.told.chosen(this.selected, { play: true }),
      " ": () => this.told.toggled(),
      "+": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.whole(),
    };
    const action = actions[event.key === "=" ? "+" : event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || !shown.length) return;
    event.preventDefault();
    action();
  }

  // --- drawing ---

  rowHeight() {
    return (this.box.clientHeight - AXIS) / this.rows.length;
  }

  // Where time begins in the drawing, in pixels.
  get margin() {
    return this.box.clientWidth >= ROOMY ? MARGIN : 0;
  }

  place(time) {
    const share = (time - this.view.from) / (this.view.to - this.view.from);
    return this.margin + share * (this.box.clientWidth - this.margin);
  }

  timeAt(x) {
    const share = Math.max(0, x - this.margin) / (this.box.clientWidth - this.margin);
    return this.view.from + share * (this.view.to - this.view.from);
  }

  // The moving line of what is played; null where nothing is.
  point(time) {
    this.time = time;
    const away = time === null || time < this.view.from || time > this.view.to;
    this.cursor.hidden = away;
    if (!away) this.cursor.style.transform = `translateX(${this.place(time)}px)`;
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    const paint = () => { this.waiting = false; this.paint(); };
    if (this.live) setTimeout(paint, STILL.matches ? STILL_EVERY : EVERY);
    else requestAnimationFrame(paint);
  }

  paint() {
    const width = this.box.clientWidth, height = this.box.clientHeight, ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const style = getComputedStyle(document.documentElement);
    this.ink = Object.fromEntries(["ink", "muted", "line", "soft", "paper"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    const pen = this.pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "500 12px system-ui, sans-serif";
    this.rows.forEach((row, n) => this.paintRow(row, n * this.rowHeight(), width));
    this.paintAxis(height - AXIS, width);
    this.point(this.time);
  }

  paintRow(row, top, width) {
    const high = this.rowHeight() - 8, pen = this.pen;
    const at = { sound: [top, high * PARTS.sound] };
    for (const [before, name] of [["sound", "strip"], ["strip", "shares"], ["shares", "doubt"]]) {
      at[name] = [at[before][0] + at[before][1] + high * 0.03, high * PARTS[name]];
    }
    this.paintTroughs(at, width);
    pen.save();
    pen.beginPath();
    pen.rect(this.margin, 0, width, this.box.clientHeight);
    pen.clip();
    for (let place = this.firstAfter(row, this.view.from); place < row.own.length; place++) {
      const segment = this.segments[row.own[place]];
      if (segment.start >= this.view.to) break;
      this.paintSegment(segment, at, { chosen: row.own[place] === this.selected });
    }
    if (this.provisional && row === this.rows[0]) this.paintSegment(this.provisional, at, { provisional: true });
    this.paintSound(row, at.sound, width);
    pen.restore();
    this.nameParts(row, at);
  }

  paintTroughs(at, width) {
    const { pen, ink } = this;
    pen.fillStyle = ink.line;
    pen.fillRect(this.margin, at.sound[0] + at.sound[1] / 2, width, 1);
    pen.fillRect(this.margin, at.shares[0] + at.shares[1], width, 1);
    pen.fillRect(this.margin, at.doubt[0] + at.doubt[1], width, 1);
  }

  paintSegment(segment, at, { chosen = false, provisional = false }) {
    const { pen, ink } = this, left = this.place(segment.start);
    const wide = Math.max(0.5, this.place(segment.end) - left), name = nameOf(segment);
    if (chosen) {
      pen.fillStyle = ink.line;
      pen.globalAlpha = 0.5;
      pen.fillRect(left, at.sound[0], wide, at.doubt[0] + at.doubt[1] - at.sound[0]);
      pen.globalAlpha = 1;
    }
    if (provisional) pen.globalAlpha = SO_FAR;
    this.paintStrip(segment, name, left, wide, at.strip);
    if (hasNumbersOnly(segment)) this.paintNumbers(segment, left, wide, at.shares);
    else this.paintShares(segment, left, wide, at);
    pen.globalAlpha = 1;
    if (chosen || provisional) this.frame(left, at.strip[0], wide, at.doubt[0] + at.doubt[1] - at.strip[0], provisional);
  }

  frame(left, top, wide, high, dashed) {
    const { pen, ink } = this;
    pen.save();
    pen.strokeStyle = ink.ink;
    pen.lineWidth = dashed ? 1 : 2;
    if (dashed) pen.setLineDash([4, 3]);
    pen.strokeRect(left + 0.5, top - 1, Math.max(1, wide - 1), high + 2);
    pen.restore();
  }

  // Silence is a line, what can't be told is hatched, and an emotion is a block with its name: no colour is needed.
  paintStrip(segment, name, left, wide, [top, high]) {
    const { pen, ink } = this, tint = tintOf(name);
    if (name === QUIET) {
      pen.fillStyle = ink.line;
      pen.fillRect(left, top + high / 2 - 1, wide, 2);
      return;
    }
    pen.fillStyle = tint;
    pen.beginPath();
    pen.roundRect(left + 0.5, top, Math.max(0.5, wide - 1), high, Math.min(4, wide / 3));
    pen.fill();
    if (name === UNSURE) this.hatch(left, top, wide, high);
    const short = name === UNSURE ? ["?"] : [`${name.slice(0, 4)}.`, name.slice(0, 2)];
    const text = [name, ...short].find((words) => pen.measureText(words).width + 8 < wide);
    if (!text || high < 12) return;
    pen.textAlign = "center";
    if (name === UNSURE) {
      const room = pen.measureText(text).width + 8;
      pen.fillRect(left + wide / 2 - room / 2, top, room, high);
    }
    pen.fillStyle = inkOn(tint);
    pen.fillText(text, left + wide / 2, top + high / 2 + 4);
  }

  hatch(left, top, wide, high) {
    const { pen, ink } = this, right = Math.min(left + wide, this.box.clientWidth);
    pen.save();
    pen.clip();
    pen.strokeStyle = ink.paper;
    pen.lineWidth = 2;
    pen.beginPath();
    for (let x = Math.max(left, 0) - high; x < right; x += 8) {
      pen.moveTo(x, top + high);
      pen.lineTo(x + high, top);
    }
    pen.stroke();
    pen.restore();
  }

  paintShares(segment, left, wide, at) {
    const { pen, ink } = this, [top, high] = at.shares;
    let below = top + high;
    for (const label of this.labels) {
      const share = (segment.scores[label] ?? 0) * high;
      pen.fillStyle = tintOf(label);
      pen.fillRect(left, below - share, wide, share);
      below -= share;
    }
    const unsure = doubt(segment, this.labels.length) * at.doubt[1];
    pen.fillStyle = ink.muted;
    pen.fillRect(left, at.doubt[0] + at.doubt[1] - unsure, wide, unsure);
  }

  paintNumbers(segment, left, wide, [top, high]) {
    const names = Object.keys(segment.dimensions);
    names.forEach((name, n) => {
      const [low, up] = this.ranges?.[name] ?? [0, 1];
      const share = (segment.dimensions[name] - low) / Math.max(1e-9, up - low);
      this.pen.fillStyle = this.ink.ink;
      this.pen.fillRect(left, top + high - 4 - share * (high - 10), wide, 1 + 2 * n);
    });
  }

  paintSound(row, [top, high], width) {
    if (!row.shape) return;
    const { pen, ink } = this, middle = top + high / 2, half = high / 2 - 2;
    const perPixel = (this.view.to - this.view.from) / (width - this.margin), last = row.shape.seconds;
    let place = this.firstAfter(row, this.view.from);
    for (let x = this.margin; x < width; x++) {
      const time = this.timeAt(x);
      if (time > last) break;
      while (place < row.own.length && this.segments[row.own[place]].end <= time) place++;
      const segment = [this.segments[row.own[place]], this.provisional].find((one) => one && one.start <= time && one.end > time);
      const range = row.shape.between(time, time + perPixel);
      if (!range) continue;
      pen.globalAlpha = segment && segment === this.provisional ? SO_FAR : 1;
      pen.fillStyle = segment && !isQuiet(segment) ? tintOf(nameOf(segment)) : ink.muted;
      pen.fillRect(x, middle - range[1] * half, 1, Math.max(1, (range[1] - range[0]) * half));
    }
    pen.globalAlpha = 1;
  }

  nameParts(row, at) {
    const { pen, ink } = this;
    pen.textAlign = "left";
    pen.fillStyle = ink.muted;
    for (const [part, [top, high]] of Object.entries(at)) {
      const words = part === "sound" && row.channel !== null ? `channel ${row.channel + 1}` : NAMES[part];
      if (this.margin) pen.fillText(words, 0, top + high / 2 + 4);
      else if (part === "sound") pen.fillText(words, 0, top + 10);
    }
  }

  paintAxis(top, width) {
    const { pen, ink } = this, { from, to } = this.view;
    const step = STEPS.find((one) => (to - from) / one <= width / 76) ?? STEPS.at(-1);
    pen.font = "11px system-ui, sans-serif";
    for (let n = Math.ceil(from / step); n * step <= to; n++) {
      const x = this.place(n * step);
      pen.fillStyle = ink.line;
      pen.fillRect(Math.min(x, width - 1), top, 1, 5);
      pen.fillStyle = ink.muted;
      pen.textAlign = x < 16 ? "left" : x > width - 20 ? "right" : "center";
      pen.fillText(clock(n * step, step < 1 ? 1 : 0), x, top + 18);
    }
  }
}

// The entropy of the probabilities: 0 where one emotion has all, 1 where all have the same.
export function doubt(segment, count) {
  const entropy = Object.values(segment.scores).reduce((sum, share) => sum - (share > 0 ? share * Math.log(share) : 0), 0);
  return entropy / Math.log(Math.max(2, count));
}
