"use strict";
// Draws the timeline, plays its segments, and lets some of them be looked at alone. The table is complete without this.
const data = JSON.parse(document.getElementById("data").textContent);
const { segments, tints, names, labels, dimensions } = data;
const rows = data.rows.map((row) => ({
  channel: row.channel,
  shape: row.shape && Int8Array.from(atob(row.shape), (c) => (c.charCodeAt(0) << 24) >> 24),
  own: segments.map((segment, i) => i).filter((i) => (segments[i].channel ?? null) === row.channel),
}));
const entries = [...document.querySelectorAll("tbody tr")];
const hidden = new Set();
const view = { from: 0, to: data.end };
const QUIET = "no speech";
const SHORTEST = 0.5; // seconds that fill the page at the closest
let selected = -1;

const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const clock = (seconds, digits = 2) => {
  const whole = Math.round(seconds * 10 ** digits) / 10 ** digits;
  const hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);
  const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
};
const percent = (share) => `${Math.round(100 * share)} %`;
const shown = (i) => !hidden.has(segments[i].name);

// --- what there is on the page ---

const chart = make("div", {
  class: "chart", tabindex: "0", role: "group", "aria-roledescription": "timeline",
  "aria-label": "Sound, segments and scores over time. Arrow keys go from segment to segment, Enter plays one, plus and minus zoom, 0 shows the whole.",
});
const canvas = make("canvas", { "aria-hidden": "true" });
const cursor = make("div", { class: "cursor", hidden: "" });
chart.append(canvas, cursor);
const pan = make("input", { type: "range", class: "pan", min: 0, max: 1000, step: 1, "aria-label": "Move along the recording" });
const button = (text, label, action) => {
  const made = make("button", { type: "button", "aria-label": label, title: label }, text);
  made.addEventListener("click", action);
  return made;
};
const play = button("Play segment", "Play the segment that is selected", () => playSegment());
const closer = button("+", "Zoom in", () => zoom(0.5));
const wider = button("−", "Zoom out", () => zoom(2));
const whole = button("Whole", "Show the whole recording", () => look(0, data.end));
const told = make("div", { class: "told", role: "status", "aria-live": "polite" });
const note = make("p", { class: "note", role: "status" });
const count = make("span", { class: "note" });
const buttons = make("div", { class: "controls" }, play, closer, wider, whole);
const chips = make("div", { class: "controls", role: "group", "aria-label": "What is shown" });
for (const name of names) {
  const swatch = entries[segments.findIndex((segment) => segment.name === name)].querySelector("svg").cloneNode(true);
  const seconds = segments.reduce((sum, one) => sum + (one.name === name ? one.end - one.start : 0), 0);
  const chip = make("button", { type: "button", class: "chip", "aria-pressed": "true" }, swatch, `${name} ${clock(seconds, 0)}`);
  chip.addEventListener("click", () => {
    if (!hidden.delete(name)) hidden.add(name);
    chip.setAttribute("aria-pressed", String(!hidden.has(name)));
    filter();
  });
  chips.append(chip);
}
document.getElementById("view").append(buttons, chart, pan, told, chips);
const exports = make("div", { class: "controls" }, count,
  button("Save as CSV", "Save the segments shown as a CSV table", () => save("csv", csv(), "text/csv")),
  button("Save as JSON", "Save the segments shown as JSON", () => save("json", json(), "application/json")));
document.querySelector(".wide").before(exports);

// --- sound ---

let audio = document.querySelector("audio");
let heardTo = data.sound; // seconds of sound there are
let stopAt = null;
const prepare = () => {
  audio.addEventListener("timeupdate", follow);
  audio.addEventListener("seeked", follow);
  audio.addEventListener("pause", () => { stopAt = null; follow(); });
  audio.addEventListener("play", () => requestAnimationFrame(run));
  audio.addEventListener("error", () => say("This recording can't be played here."));
  if (data.sound && data.sound < data.end - 1) say(`The sound in this page ends at ${clock(data.sound, 0)}.`);
};
if (audio) {
  document.getElementById("player").append(note);
  prepare();
} else {
  const input = make("input", { type: "file", accept: "audio/*,video/*", class: "unseen" });
  const choose = make("label", { class: "choose" }, "Choose the recording to hear it", input);
  note.textContent = "It stays on this computer.";
  document.getElementById("player").append(make("div", { class: "controls" }, choose, note));
  input.addEventListener("change", () => {
    if (!input.files.length) return;
    if (audio) URL.revokeObjectURL(audio.src);
    else { audio = make("audio", { controls: "" }); document.getElementById("player").append(audio); prepare(); }
    audio.src = URL.createObjectURL(input.files[0]);
    audio.addEventListener("loadedmetadata", () => {
      heardTo = audio.duration;
      const off = Math.abs(audio.duration - data.end) > 1;
      say(off ? `This lasts ${clock(audio.duration, 0)} and the timeline ${clock(data.end, 0)}: is it the same recording?` : "");
      play.disabled = selected < 0;
    }, { once: true });
  });
}
function say(words) { note.textContent = words; note.classList.toggle("trouble", Boolean(words)); }
function playSegment() {
  if (!audio || selected < 0) return;
  const { start, end } = segments[selected];
  if (start >= heardTo) { say(`The sound ends at ${clock(heardTo, 0)}.`); return; }
  audio.currentTime = start;
  audio.play().then(() => { stopAt = end; }, () => say("The browser doesn't play this recording."));
}
function run() {
  if (stopAt !== null && audio.currentTime >= stopAt) audio.pause();
  follow();
  if (!audio.paused) requestAnimationFrame(run);
}
function follow() {
  const time = audio.currentTime;
  if (!audio.paused && (time < view.from || time > view.to)) look(time, time + view.to - view.from);
  cursor.hidden = time < view.from || time > view.to;
  cursor.style.transform = `translateX(${((time - view.from) / (view.to - view.from)) * chart.clientWidth}px)`;
}

// --- choosing ---

function select(i, { sound = false, scroll = true } = {}) {
  entries[selected]?.classList.remove("now");
  selected = i;
  play.disabled = !audio || i < 0;
  if (i < 0) { told.replaceChildren(make("span", { class: "note" }, "Choose a segment in the drawing or in the table.")); draw(); return; }
  const segment = segments[i];
  entries[i].classList.add("now");
  if (scroll) {
    const box = entries[i].closest(".wide"), top = entries[i].offsetTop;
    if (top < box.scrollTop + 40 || top > box.scrollTop + box.clientHeight - 40) box.scrollTop = top - box.clientHeight / 2;
  }
  if (segment.end <= view.from || segment.start >= view.to) {
    const half = (view.to - view.from) / 2, middle = (segment.start + segment.end) / 2;
    look(middle - half, middle + half);
  }
  const who = [segment.speaker, segment.channel == null ? null : `channel ${segment.channel}`].filter(Boolean).join(", ");
  const head = make("div", {}, make("strong", {}, segment.scores && segment.emotion ? `${segment.emotion} ${percent(segment.confidence)}` : segment.name),
    ` ${clock(segment.start)}–${clock(segment.end)}${who ? `, ${who}` : ""}`);
  const list = make("ul");
  for (const [name, share] of Object.entries(segment.scores)) {
    const fill = make("b");
    fill.style.width = `${100 * share}%`;
    fill.style.background = tints[name];
    list.append(make("li", {}, make("span", {}, name), make("i", {}, fill), make("span", {}, percent(share))));
  }
  for (const [name, value] of Object.entries(segment.dimensions)) list.append(make("li", {}, make("span", {}, name), make("span", {}, ""), make("span", {}, value.toFixed(2))));
  const rest = segment.likely.length ? make("p", { class: "note" }, `Can't be ruled out: ${segment.likely.join(", ")}`) : "";
  told.replaceChildren(head, list, rest);
  told.style.borderLeftColor = tints[segment.name];
  draw();
  if (sound) playSegment();
}
function step(by) {
  for (let i = selected + by; i >= 0 && i < segments.length; i += by) if (shown(i)) { select(i); return; }
}
function end(from, by) {
  for (let i = from; i >= 0 && i < segments.length; i += by) if (shown(i)) { select(i); return; }
}
function filter() {
  entries.forEach((entry, i) => { entry.hidden = !shown(i); });
  const n = segments.filter((segment, i) => shown(i)).length;
  count.textContent = `${n.toLocaleString("en")} of ${segments.length.toLocaleString("en")} segments shown`;
  draw();
}
entries.forEach((entry, i) => {
  const opener = entry.querySelector("button");
  opener.disabled = false;
  opener.addEventListener("click", () => select(i, { sound: true, scroll: false }));
});

// --- the drawing ---

const SOUND = 84, STRIP = 18, SCORES = labels.length || dimensions.length ? 84 : 0, GAP = 12, AXIS = 22;
const HEIGHT = SOUND + STRIP + SCORES + GAP;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const ranges = dimensions.map((name) => {
  const values = segments.map((segment) => segment.dimensions[name]).filter((value) => value !== undefined);
  return [Math.min(...values), Math.max(...values)];
});

function first(own, time) { // the first segment of a row that ends after a time
  let low = 0, high = own.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[own[middle]].end > time) high = middle; else low = middle + 1;
  }
  return low;
}
let waiting = false;
function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; paint(); });
}
function paint() {
  const width = chart.clientWidth, ratio = window.devicePixelRatio || 1, height = rows.length * HEIGHT + AXIS;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const ink = getComputedStyle(document.documentElement);
  const colours = Object.fromEntries(["ink", "muted", "line", "soft", "paper"].map((name) => [name, ink.getPropertyValue(`--${name}`).trim()]));
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "11px system-ui, sans-serif";
  const x = (time) => ((time - view.from) / (view.to - view.from)) * width;
  rows.forEach((row, k) => paintRow(pen, row, k * HEIGHT, x, width, colours));
  paintAxis(pen, rows.length * HEIGHT, x, width, colours);
  pan.hidden = view.to - view.from >= data.end - 1e-6;
  pan.value = 1000 * (view.from / Math.max(1e-9, data.end - (view.to - view.from)));
  if (audio) follow();
}
function paintRow(pen, row, top, x, width, colours) {
  const from = first(row.own, view.from);
  for (let k = from; k < row.own.length && segments[row.own[k]].start < view.to; k++) {
    const i = row.own[k], segment = segments[i], left = x(segment.start), wide = Math.max(0.5, x(segment.end) - left);
    pen.globalAlpha = shown(i) ? 1 : 0.12;
    if (i === selected) {
      pen.fillStyle = colours.soft;
      pen.fillRect(left, top, wide, HEIGHT - GAP);
    }
    pen.fillStyle = segment.name === QUIET ? colours.line : tints[segment.name];
    pen.fillRect(left, top + SOUND, wide, STRIP);
    if (segment.name === "uncertain") hatch(pen, left, top + SOUND, wide, colours.paper);
    if (segment.emotion && pen.measureText(segment.emotion).width + 8 < wide) {
      pen.fillStyle = "#ffffff";
      pen.textAlign = "center";
      pen.fillText(segment.emotion, left + wide / 2, top + SOUND + 13);
    }
    let below = top + SOUND + STRIP + SCORES;
    const bottom = below;
    for (const name of labels) {
      const high = (segment.scores[name] ?? 0) * (SCORES - 6);
      pen.fillStyle = tints[name];
      pen.fillRect(left, below - high, wide, high);
      below -= high;
    }
    if (!labels.length) dimensions.forEach((name, d) => {
      const value = segment.dimensions[name], [low, high] = ranges[d];
      if (value === undefined) return;
      pen.fillStyle = colours.ink;
      pen.fillRect(left, bottom - 8 - ((value - low) / Math.max(1e-9, high - low)) * (SCORES - 30), wide, thickness(d));
    });
    if (i === selected) {
      pen.strokeStyle = colours.ink;
      pen.lineWidth = 1.5;
      pen.strokeRect(left, top + 1, wide, HEIGHT - GAP - 1);
    }
  }
  pen.globalAlpha = 1;
  if (!labels.length) nameLines(pen, top + SOUND + STRIP + 12, colours);
  if (row.shape) paintSound(pen, row, top, width, colours.muted);
  if (row.channel !== null) {
    pen.fillStyle = colours.muted;
    pen.textAlign = "left";
    pen.fillText(`channel ${row.channel}`, 2, top + 11);
  }
}
const thickness = (d) => 1 + 2 * d;
function nameLines(pen, top, colours) {
  let left = 2;
  pen.textAlign = "left";
  dimensions.forEach((name, d) => {
    const [low, high] = ranges[d], text = `${name} ${low.toFixed(2)} to ${high.toFixed(2)}`;
    pen.fillStyle = colours.ink;
    pen.fillRect(left, top - 4, 14, thickness(d));
    pen.fillStyle = colours.muted;
    pen.fillText(text, left + 18, top);
    left += 32 + pen.measureText(text).width;
  });
}
function hatch(pen, left, top, wide, paper) { // told from silence without colours, too
  pen.save();
  pen.beginPath();
  pen.rect(left, top, wide, STRIP);
  pen.clip();
  pen.strokeStyle = paper;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (let x = Math.max(left, 0) - STRIP; x < Math.min(left + wide, 1e4); x += 7) { pen.moveTo(x, top + STRIP); pen.lineTo(x + STRIP, top); }
  pen.stroke();
  pen.restore();
}
function paintSound(pen, row, top, width, quiet) {
  const n = row.shape.length / 2, half = SOUND / 2 - 4, middle = top + SOUND / 2;
  const perPixel = (view.to - view.from) / width;
  let k = first(row.own, view.from);
  for (let column = 0; column < width; column++) {
    const time = view.from + column * perPixel;
    while (k < row.own.length - 1 && segments[row.own[k]].end <= time) k++;
    const a = Math.min(n - 1, Math.floor((time / data.end) * n));
    const b = Math.max(a + 1, Math.min(n, Math.ceil(((time + perPixel) / data.end) * n)));
    let low = 127, high = -127;
    for (let i = a; i < b; i++) { low = Math.min(low, row.shape[2 * i]); high = Math.max(high, row.shape[2 * i + 1]); }
    const i = row.own[k];
    pen.globalAlpha = i === undefined || shown(i) ? 1 : 0.2;
    pen.fillStyle = i === undefined || segments[i].name === QUIET ? quiet : tints[segments[i].name];
    pen.fillRect(column, middle - (high / 127) * half, 1, Math.max(1, ((high - low) / 127) * half));
  }
  pen.globalAlpha = 1;
}
function paintAxis(pen, top, x, width, colours) {
  const step = STEPS.find((one) => (view.to - view.from) / one <= width / 72) ?? STEPS.at(-1);
  pen.fillStyle = colours.muted;
  pen.strokeStyle = colours.line;
  for (let k = Math.ceil(view.from / step); k * step <= view.to + 1e-9; k++) {
    const at = x(k * step), text = clock(k * step, step < 1 ? 1 : 0), room = pen.measureText(text).width / 2;
    pen.textAlign = at < room ? "left" : at > width - room ? "right" : "center";
    pen.fillRect(at, top - GAP + 4, 1, 5);
    pen.fillText(text, at, top + 11);
  }
}

// --- where one looks ---

function look(from, to) {
  const span = Math.min(data.end, Math.max(Math.min(SHORTEST, data.end), to - from));
  view.from = Math.max(0, Math.min(from, data.end - span));
  view.to = view.from + span;
  wider.disabled = whole.disabled = span >= data.end;
  closer.disabled = span <= SHORTEST;
  draw();
}
function zoom(factor, around) {
  const chosen = segments[selected];
  const visible = chosen && chosen.end > view.from && chosen.start < view.to;
  const at = around ?? (visible ? (chosen.start + chosen.end) / 2 : (view.from + view.to) / 2);
  const share = around === undefined ? 0.5 : (at - view.from) / (view.to - view.from);
  const span = (view.to - view.from) * factor;
  look(at - share * span, at + (1 - share) * span);
}
const timeAt = (event) => view.from + ((event.clientX - chart.getBoundingClientRect().left) / chart.clientWidth) * (view.to - view.from);
let grip = null;
chart.addEventListener("pointerdown", (event) => { if (event.button === 0) grip = { x: event.clientX, from: view.from, to: view.to, moved: false }; });
chart.addEventListener("pointermove", (event) => {
  if (!grip) return;
  const by = event.clientX - grip.x;
  grip.moved ||= Math.abs(by) > 5;
  if (grip.moved) {
    const seconds = (by / chart.clientWidth) * (grip.to - grip.from);
    look(grip.from - seconds, grip.to - seconds);
  }
});
addEventListener("pointerup", (event) => {
  const held = grip;
  grip = null;
  if (!held || held.moved || !chart.contains(event.target)) return;
  const place = event.clientY - chart.getBoundingClientRect().top;
  const row = rows[Math.min(rows.length - 1, Math.floor(place / HEIGHT))], time = timeAt(event);
  const i = row.own[first(row.own, time)];
  if (i !== undefined && shown(i)) select(i, { sound: true });
});
addEventListener("pointercancel", () => { grip = null; });
chart.addEventListener("wheel", (event) => {
  if (event.ctrlKey) { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event)); }
  else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    const seconds = (event.deltaX / chart.clientWidth) * (view.to - view.from);
    look(view.from + seconds, view.to + seconds);
  }
}, { passive: false });
pan.addEventListener("input", () => {
  const span = view.to - view.from, from = (pan.value / 1000) * (data.end - span);
  look(from, from + span);
});
chart.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1),
    Home: () => end(0, 1), End: () => end(segments.length - 1, -1),
    Enter: () => playSegment(), " ": () => (audio && !audio.paused ? audio.pause() : playSegment()),
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => look(0, data.end), Escape: () => select(-1),
  };
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

// --- saving ---

const kept = () => segments.filter((segment, i) => shown(i)).map(({ name, ...segment }) => segment);
const json = () => `{"file": ${JSON.stringify(data.file)}, "duration": ${data.end}, "segments": [\n${kept().map((segment) => JSON.stringify(segment)).join(",\n")}\n]}\n`;
function csv() {
  const cell = (value) => {
    const text = value == null ? "" : Array.isArray(value) ? value.join(" ") : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const value = (one, column) => {
    if (column === "file") return data.file;
    if (column in one.dimensions) return one.dimensions[column];
    return column.startsWith("p_") ? one.scores[column.slice(2)] : one[column];
  };
  const lines = kept().map((one) => data.columns.map((column) => value(one, column)));
  return [data.columns, ...lines].map((line) => `${line.map(cell).join(",")}\n`).join("");
}
function save(ending, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: address, download: `${data.file.replace(/\.[^.]*$/, "")}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

new ResizeObserver(draw).observe(chart);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
look(0, data.end);
select(-1);
filter();
