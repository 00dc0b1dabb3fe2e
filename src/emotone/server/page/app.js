// The page: what happens when somebody records, opens, chooses, plays and saves. What it shows is one `source` (a recording
// or a file) and its `segments`, exactly as the server gave them.

import * as api from "./api.js";
import { Answer, Legend, make, prose, summary, Table } from "./answers.js";
import { Player } from "./player.js";
import { inspect, Microphone, NoMicrophone, Tape, together, whyNoMicrophone } from "./sound.js";
import { Timeline } from "./timeline.js";
import { Voice } from "./voice.js";
import { clock, isQuiet, lasting, percent, size, spoken, stem, useColours } from "./words.js";

const SILENT_FOR = 3; // seconds of nothing at all, after which the microphone seems to be muted
const FORGOTTEN = "The server has forgotten your voice. Calibrate once more.";
const BEHIND = 5; // seconds of sound that wait to be sent, after which the connection is too slow

const isGone = (status) => status === 404 || status === 410;
const find = (id) => document.getElementById(id);
let limits = {};
let models = [];
let source = null; // {name, blob, seconds, shapes, recorded}
let segments = [];
let recording = null; // {microphone, tape, listening}
let hearing = null; // the AbortController of an upload
let heardWith = ""; // the settings that gave the segments

const answer = new Answer(find);
const legend = new Legend(find("legend"));
const table = new Table(find, choose);
const player = new Player(
  { play: find("play"), position: find("position"), time: find("time"), length: find("length") },
  { moved: follow, failed: () => { if (source) { source.isMute = true; sum(); } } },
);
const timeline = new Timeline(find("chart"), { chosen: choose, toggled: () => player.toggle(), moved: showView });
const voice = new Voice(find, {
  model: () => model().name,
  busy: (yes) => setPhase(yes ? "learning" : "idle"),
  failed: fail,
});

// --- words to people ---

function say(words) {
  find("status").textContent = words;
}

function complain(words, { rehear = false } = {}) {
  find("trouble-words").textContent = words;
  find("rehear").classList.toggle("hidden", !rehear);
  find("trouble").hidden = false;
}

function fail(error) {
  if (error.name === "AbortError") return;
  const ours = error instanceof api.Refusal || error instanceof NoMicrophone;
  complain(ours ? error.message : `Something went wrong in this page: ${error.message}`);
  if (error.status === 401) askForToken("That token isn’t the right one.");
  if (!ours) console.error(error);
}

function setPhase(phase) {
  document.body.dataset.phase = phase;
  const idle = phase === "idle", ready = models.length > 0;
  const stops = phase === "recording" || phase === "hearing";
  find("record").disabled = !stops && (!ready || !idle || Boolean(whyNoMicrophone()));
  find("record").classList.toggle("recording", stops);
  const action = phase === "recording" ? "Stop" : phase === "hearing" ? "Cancel" : "Record";
  find("record-words").textContent = action;
  find("record").setAttribute("aria-label", action); // while the seconds run, which nobody wants read out
  find("file").disabled = !ready || !idle;
  find("choose").classList.toggle("off", !ready || !idle);
  for (const id of ["model", "channels", "adapt"]) find(id).disabled = !ready || !idle;
  voice.enable(ready && idle && model().adapts);
  for (const button of find("formats").children) button.disabled = !idle || !(segments.length || button.id === "save-sound");
  find("save-sound").classList.toggle("hidden", !source?.recorded || !source.blob);
  if (!idle) find("saved").textContent = "";
  else showProgress(undefined);
  offerAgain();
}

// How much is done: a share, null where nobody knows, undefined where nothing is going on. The numbers aren't read out.
function showProgress(share, what = "", howFar = "") {
  const bar = find("progress");
  bar.classList.toggle("hidden", share === undefined);
  if (share === null) bar.removeAttribute("value");
  else if (share !== undefined) bar.value = share;
  if (what && what !== find("status").textContent) say(what);
  find("how-far").textContent = howFar;
}

// --- settings ---

const model = () => models.find(({ name }) => name === find("model").value) ?? models[0];

function settings() {
  return {
    model: model().name,
    voice: voice.of(model().name),
    channels: source?.recorded ? "mix" : find("channels").value,
    adapt: model().adapts && find("adapt").checked,
  };
}

function offerAgain() {
  const stale = source && document.body.dataset.phase === "idle" && heardWith && JSON.stringify(settings()) !== heardWith;
  find("again").classList.toggle("hidden", !stale);
}

function useModel() {
  const { labels, name, licence, limits: words, adapts, colours } = model();
  useColours(colours);
  timeline.labels = labels;
  legend.useLabels(labels);
  legend.show(segments);
  answer.useLabels(labels);
  find("adapt-field").classList.toggle("hidden", !adapts);
  if (!adapts) voice.say(`The recogniser ${name} can’t get to know a voice.`);
  find("about-words").replaceChildren(...prose(`${name} knows: ${labels.join(", ") || "no emotions"}.${licence ? ` Its licence: ${licence}.` : ""}\n\n${words ?? ""}`));
  voice.enable(adapts && document.body.dataset.phase === "idle");
}

// --- a recording ---

async function record() {
  setPhase("asking");
  say("Allow the microphone, if the browser asks.");
  let microphone;
  try {
    microphone = await Microphone.open({ hear: hearPiece, ended: () => stopRecording("The microphone went away.") });
  } catch (error) {
    setPhase("idle");
    say("Nothing was recorded.");
    fail(error);
    return;
  }
  clear();
  const now = new Date().toLocaleString("sv").replaceAll(":", "-"); // Swedes write dates as files like them
  source = { name: `recording ${now}`, recorded: true, shapes: [] };
  find("invite").hidden = true;
  const { model: name, voice: known, adapt } = settings();
  const start = { encoding: "s16le", rate: Math.round(microphone.rate), channels: 1, model: name, voice: known, adapt };
  const listening = new api.Listening(start, { ready: useStream, segment: addSegment, provisional: showProvisional, lost: lose });
  recording = { microphone, listening, known, tape: new Tape(Math.round(microphone.rate)), longest: limits.max_stream_seconds ?? Infinity };
  timeline.rows[0].shape = recording.tape.shape;
  timeline.live = true;
  heardWith = JSON.stringify(settings());
  find("what").textContent = "Recording";
  say("Listening. Speak as you like.");
  setPhase("recording");
}

const useStream = ({ max_seconds: longest }) => { if (recording && longest) recording.longest = longest; };

function hearPiece(piece) {
  if (!recording || recording.isFull) return;
  const { tape, listening, longest } = recording;
  tape.add(piece);
  listening.feed(piece.buffer);
  timeline.grow(tape.seconds);
  find("length").textContent = clock(tape.seconds);
  find("record-words").textContent = `Stop ${clock(tape.seconds, 0)}`;
  if (tape.seconds >= SILENT_FOR && tape.shape.peak <= 1 && !recording.warned) {
    recording.warned = true;
    say("The microphone gives nothing but silence. Is it muted?");
  }
  if (listening.behind > BEHIND * 2 * tape.rate && !recording.slow) {
    recording.slow = true;
    say("The connection is slower than speech, so answers come late. Nothing is lost.");
  }
  if (tape.seconds >= longest - 0.25) {
    recording.isFull = true;
    stopRecording(`The server hears up to ${lasting(longest)} at once.`);
  }
}

function addSegment(segment) {
  segments.push(segment);
  timeline.add(segment);
  table.add(segments);
  legend.add(segment);
  if (!isQuiet(segment)) find("said").textContent = spoken(segment);
}

function showProvisional({ segment, speaking }) {
  if (!recording) return;
  timeline.provisional = segment;
  if (segment) answer.show(segment, "Now, so far");
  else if (!speaking && segments.length) answer.show(segments.at(-1), "Last");
}

async function stopRecording(why = "") {
  if (!recording || recording.stopping) return;
  const { microphone, listening } = recording;
  recording.stopping = true;
  setPhase("finishing");
  say("Finishing.");
  await microphone.stop();
  const sentence = await listening.stop();
  if (!sentence) keepRecording(why); // otherwise `lose` does
}

// The connection broke, or the server refused: what was heard is kept, and so is the sound.
async function lose(sentence, status) {
  if (!recording) return;
  const { microphone, stopping, known } = recording;
  recording.stopping = true;
  if (!stopping) await microphone.stop();
  const heard = segments.at(-1)?.end ?? 0;
  const kept = segments.length ? `What was heard until ${clock(heard)} is kept` : "Nothing was heard yet";
  if (known && isGone(status)) voice.lose(FORGOTTEN);
  keepRecording("");
  say(`Stopped. ${kept}; the sound is kept, too.`);
  complain(`${sentence} ${kept}, and the sound (${clock(source.seconds)}) can be played, saved and heard again.`, { rehear: true });
}

function keepRecording(why) {
  const { tape } = recording;
  recording = null;
  timeline.live = false;
  timeline.provisional = null;
  source = { ...source, blob: tape.wav(), seconds: tape.seconds, shapes: [tape.shape] };
  player.load(source.blob, source.seconds);
  find("what").textContent = "Your recording";
  present();
  setPhase("idle");
  if (why) say(`${why} ${find("status").textContent}`);
}

// --- a file ---

async function open(files) {
  const [file] = files;
  if (!file || !models.length) return;
  if (document.body.dataset.phase !== "idle") {
    complain("One at a time: end what is going on, and open it again.");
    return;
  }
  if (limits.max_upload_bytes && file.size > limits.max_upload_bytes) {
    complain(`${file.name} has ${size(file.size)}; the server takes up to ${size(limits.max_upload_bytes)}. Give it a part, or use emotone timeline on the command line.`);
    return;
  }
  clear();
  source = { name: file.name, blob: file, seconds: null, shapes: [], recorded: false };
  find("what").textContent = file.name;
  find("invite").hidden = true;
  player.load(file, null);
  if (files.length > 1) complain(`One at a time: ${file.name} is heard. The command line does many: emotone timeline --help`);
  drawFile(source).catch(fail);
  await hear();
}

async function drawFile(opened) {
  const { seconds, shapes } = await inspect(opened.blob, player.address);
  if (source !== opened) return;
  Object.assign(opened, { seconds: seconds ?? opened.seconds, shapes });
  player.last(opened.seconds);
  arrange();
}

// The source by the settings as they are. What was heard before is kept until something better comes.
async function hear() {
  hearing = new AbortController();
  setPhase("hearing");
  const asked = settings(), before = { segments, heardWith };
  forget();
  arrange();
  let words = "";
  try {
    const { segments: found, note } = await api.timeline(source.blob, {
      settings: asked,
      signal: hearing.signal,
      tell: say,
      uploading: (share) => (share < 1 ? showProgress(share, "Sending.", percent(share)) : showProgress(null, "Listening.")),
      hearing: (heard, promised, waits) => showProgress(promised && !waits ? heard / promised : null,
        waits ? "Waiting for its turn." : "Listening.", waits ? "" : [heard, promised].filter(Boolean).map((one) => clock(one, 0)).join(" of ")),
    });
    segments = found;
    heardWith = JSON.stringify(asked);
    words = note ?? "";
    present();
  } catch (error) {
    ({ segments, heardWith } = before);
    if (segments.length) present();
    if (asked.voice && isGone(error.status)) voice.lose(FORGOTTEN);
    say(error.name === "AbortError" ? "Cancelled." : "It wasn’t heard.");
    fail(error);
  }
  hearing = null;
  setPhase("idle");
  if (words) complain(words);
}

// --- what is shown ---

function forget() {
  segments = [];
  heardWith = "";
  timeline.reset();
  table.clear();
  legend.clear();
  answer.clear();
  find("rows").replaceChildren();
  find("said").textContent = "";
  showView();
}

function clear() {
  find("trouble").hidden = true;
  player.clear();
  player.hearOnly(null);
  source = null;
  forget();
}

// Everything was heard.
function present() {
  source.seconds ??= Math.max(0, ...segments.map(({ end }) => end));
  player.last(source.seconds);
  table.show(segments);
  legend.show(segments);
  arrange();
  sum();
  const first = segments.findIndex((segment) => !isQuiet(segment));
  if (first >= 0) choose(first, { play: false });
  else answer.clear("Heard", segments.length ? "Nobody is heard to speak." : "Nothing was heard.");
}

function sum() {
  if (segments.length && !recording) say(`${summary(segments, source.seconds)}${source.isMute ? " This browser can’t play it." : ""}`);
}

// A row for each channel: both of two, one of more, which buttons choose.
function arrange(only = null) {
  const channels = [...new Set(segments.map((segment) => segment.channel ?? null))].sort((a, b) => a - b);
  if (!channels.length) channels.push(null);
  const shown = only !== null ? [only] : channels.length > 2 ? channels.slice(0, 1) : channels;
  timeline.ranges = rangesOf(segments);
  timeline.show(segments, shown.map((channel) => ({ channel, shape: shapeOf(channel) })), source.seconds ?? 0);
  for (const id of ["closer", "wider", "whole"]) find(id).disabled = false;
  if (channels.length > 1) offerChannels(channels, shown);
}

const shapeOf = (channel) => (channel === null ? together(source.shapes) : source.shapes[channel] ?? null);

function rangesOf(list) {
  const ranges = {};
  for (const { dimensions } of list) {
    for (const [name, value] of Object.entries(dimensions)) {
      const [low, high] = ranges[name] ?? [value, value];
      ranges[name] = [Math.min(low, value), Math.max(high, value)];
    }
  }
  return ranges;
}

function offerChannels(channels, shown) {
  const choices = channels.length === 2 ? [null, ...channels] : channels;
  find("rows").replaceChildren(...choices.map((channel) => {
    const pressed = channel === null ? shown.length > 1 : shown.length === 1 && shown[0] === channel;
    const words = channel === null ? "Both channels" : `Channel ${channel + 1}`;
    const button = make("button", { type: "button", class: "chip", "aria-pressed": String(pressed) }, words);
    button.addEventListener("click", () => {
      arrange(channel);
      player.hearOnly(channel);
      [...find("rows").children].find((one) => one.textContent === words).focus();
    });
    return button;
  }));
}

function choose(i, { play }) {
  const segment = segments[i];
  if (!segment) return;
  timeline.select(i);
  table.select(i);
  answer.show(segment, "Chosen");
  find("said").textContent = spoken(segment);
  if (play && !recording) player.playSegment(segment);
}

// The cursor moves, and the answer with it, while something is played.
function follow(time) {
  if (player.playing && !timeline.isWhole && (time < timeline.view.from || time > timeline.view.to)) {
    timeline.look(time, time + timeline.view.to - timeline.view.from);
  }
  timeline.point(time);
  const i = player.playing ? timeline.at(time) : -1;
  if (i >= 0 && segments[i] !== answer.shown) {
    answer.show(segments[i], "At the cursor");
    table.select(i);
    timeline.select(i);
  }
}

function showView() {
  const pan = find("pan"), { view, length } = timeline;
  pan.classList.toggle("hidden", timeline.isWhole);
  pan.value = 1000 * (view.from / Math.max(1e-9, length - (view.to - view.from)));
  pan.setAttribute("aria-valuetext", `${clock(view.from, 0)} to ${clock(view.to, 0)}`);
}

// --- to take away ---

function download(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function save(button) {
  const { format, suffix } = button.dataset, name = stem(source.name);
  try {
    download(await api.exported(segments, format, name), `${name}${suffix}`);
    find("saved").textContent = `Saved as ${button.textContent}: ${name}${suffix}`;
  } catch (error) {
    if (error.status) fail(error); // the server says why
    else if (format === "json") saveByOurselves(`${name}${suffix}`);
    else fail(new api.Refusal(`${error.message} JSON and what was recorded can be saved without it.`));
  }
}

function saveByOurselves(name) {
  const document = { file: source.name, duration: source.seconds, segments };
  download(new Blob([JSON.stringify(document)], { type: "application/json" }), name);
  find("saved").textContent = `Saved as JSON, by this page, since the server can’t be reached: ${name}`;
}

// --- the beginning ---

function askForToken(words = "") {
  find("key").hidden = false;
  if (words) find("key-note").textContent = words;
  find("token").focus();
}

// Whether the address brought the token behind its #, which browsers don't send to any server.
function tokenOfAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return false;
  api.useToken(given);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

function tellWhereSoundGoes() {
  const here = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  const host = location.host;
  find("privacy-words").textContent = here ? "Nothing leaves this computer" : `Sound goes to ${location.hostname}, no further`;
  find("where").textContent = here
    ? `What you record or open goes to the emotone server on this computer (${host}) and no further. It keeps no sound.`
    : `What you record or open goes to the emotone server at ${host}, which hears it, keeps no sound, and sends it no further. Ask whoever runs it, if you don’t know them.`;
}

async function begin() {
  const answered = await api.models();
  models = answered.models;
  find("model").replaceChildren(...models.map(({ name }) => make("option", { value: name }, name)));
  find("model").value = answered.default;
  find("key").hidden = true;
  useModel();
  setPhase("idle");
  const reason = whyNoMicrophone();
  if (reason) say(reason);
}

async function start() {
  tellWhereSoundGoes();
  setPhase("starting");
  const given = tokenOfAddress();
  try {
    limits = await api.limits();
    if (limits.needs_token && !given) askForToken();
    else await begin();
  } catch (error) {
    fail(error);
  }
}

find("key").addEventListener("submit", (event) => {
  event.preventDefault();
  api.useToken(find("token").value.trim());
  begin().catch(fail);
});
find("record").addEventListener("click", () => {
  if (recording) stopRecording();
  else if (hearing) hearing.abort();
  else record();
});
find("file").addEventListener("change", () => { open([...find("file").files]); find("file").value = ""; });
find("again").addEventListener("click", hear);
find("rehear").addEventListener("click", () => { find("trouble").hidden = true; hear(); });
for (const button of find("formats").querySelectorAll("[data-format]")) button.addEventListener("click", () => save(button));
find("save-sound").addEventListener("click", () => download(source.blob, `${stem(source.name)}.wav`));
find("dismiss").addEventListener("click", () => { find("trouble").hidden = true; });
find("closer").addEventListener("click", () => timeline.zoom(0.5));
find("wider").addEventListener("click", () => timeline.zoom(2));
find("whole").addEventListener("click", () => timeline.whole());
find("pan").addEventListener("input", () => {
  const wide = timeline.view.to - timeline.view.from, from = (find("pan").value / 1000) * (timeline.length - wide);
  timeline.look(from, from + wide);
});
find("model").addEventListener("change", () => { useModel(); offerAgain(); });
for (const id of ["channels", "adapt"]) find(id).addEventListener("change", offerAgain);

let inside = 0; // elements that the dragged file is over
const brings = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragenter", (event) => { if (brings(event)) { inside++; find("drop").hidden = false; } });
document.addEventListener("dragleave", (event) => { if (brings(event) && --inside <= 0) { inside = 0; find("drop").hidden = true; } });
document.addEventListener("dragover", (event) => { if (brings(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!brings(event)) return;
  event.preventDefault();
  inside = 0;
  find("drop").hidden = true;
  open([...event.dataTransfer.files]);
});
window.addEventListener("pagehide", api.leave);
window.addEventListener("beforeunload", (event) => { if (recording || hearing) event.preventDefault(); });

start();
