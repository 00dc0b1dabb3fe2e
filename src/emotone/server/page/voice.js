// The voice of whoever speaks: some seconds of ordinary speech go to the server, which gives a name for what it learned.

import { forgetVoice, learnVoice, Refusal, timeline } from "./api.js";
import { Microphone, Tape } from "./sound.js";
import { counted, isQuiet } from "./words.js";

export const ENOUGH = 15; // seconds of ordinary speech
const LEAST = 5; // seconds after which it may be stopped
const SHORTEST = 0.5; // seconds of an utterance that tells something of a voice
const KEPT = 3600; // seconds that the server keeps it
const UNKNOWN = "Your voice isn’t known: you are judged as anybody would be.";

export class Voice {
  // `model` gives the recogniser's name, `busy` is told when a recording starts and ends, `failed` of errors.
  constructor(find, { model, busy, failed }) {
    this.parts = {
      learn: find("learn"), words: find("learn-words"), files: find("learn-files"), choose: find("learn-choose"),
      forget: find("forget"), level: find("level"), status: find("voice-status"),
    };
    this.told = { model, busy, failed };
    this.id = null;
    this.parts.learn.addEventListener("click", () => (this.tape ? this.stop() : this.record()));
    this.parts.files.addEventListener("change", () => this.take([...this.parts.files.files]));
    this.parts.forget.addEventListener("click", () => this.forget());
  }

  enable(usable) {
    this.parts.learn.disabled = !usable && !this.tape;
    this.parts.files.disabled = !usable;
    this.parts.choose.classList.toggle("off", !usable);
  }

  // The voice's name for a recogniser; null where that one doesn't know it.
  of(model) {
    return model === this.model ? this.id : null;
  }

  say(words) {
    this.parts.status.textContent = words;
  }

  async record() {
    this.told.busy(true);
    this.say("Allow the microphone, if the browser asks.");
    try {
      this.microphone = await Microphone.open({ hear: (piece) => this.hear(piece), ended: () => this.stop() });
    } catch (error) {
      this.end(UNKNOWN);
      this.told.failed(error);
      return;
    }
    this.tape = new Tape(this.microphone.rate);
    this.parts.learn.disabled = false;
    this.parts.learn.classList.add("recording");
    this.say("Speak as you ordinarily do, about anything: what you did today, what you see around you.");
  }

  hear(piece) {
    const { tape, parts } = this;
    tape.add(piece);
    let peak = 0;
    for (const sample of piece) peak = Math.max(peak, Math.abs(sample));
    parts.level.style.width = `${100 * Math.min(1, Math.sqrt(peak / 32768))}%`;
    const left = Math.max(0, Math.ceil(ENOUGH - tape.seconds));
    parts.words.textContent = tape.seconds < LEAST ? `${left} s` : `${left} s, or stop here`;
    if (tape.seconds >= ENOUGH) this.stop();
  }

  async stop() {
    if (!this.microphone) return;
    const { microphone, tape } = this;
    this.microphone = null;
    await microphone.stop();
    if (tape.seconds < LEAST) this.end(`That was ${counted(Math.round(tape.seconds), "second")}: too little to know a voice by. ${UNKNOWN}`);
    else await this.learn(() => this.utterances(tape));
  }

  async take(recordings) {
    if (!recordings.length) return;
    this.told.busy(true);
    await this.learn(() => recordings);
    this.parts.files.value = "";
  }

  async learn(recordings) {
    this.say("Getting to know your voice.");
    try {
      const { voice, utterances } = await learnVoice(await recordings(), { model: this.told.model() });
      this.know(voice, utterances);
    } catch (error) {
      this.end(this.id ? this.known : UNKNOWN);
      this.told.failed(error);
    }
  }

  // A voice is known by its utterances, each of which counts as one; a recording has several.
  async utterances(tape) {
    const settings = { model: this.told.model(), channels: "mix" };
    const { segments } = await timeline(tape.wav(), { settings, signal: new AbortController().signal });
    const spoken = segments.filter((segment) => !isQuiet(segment) && segment.end - segment.start >= SHORTEST);
    if (!spoken.length) throw new Refusal("Nobody was heard to speak. Try again, closer to the microphone.");
    return spoken.map(({ start, end }) => tape.part(start, end));
  }

  know(voice, utterances) {
    if (this.id) forgetVoice(this.id).catch(() => {}); // the one before; it's forgotten by itself, too
    this.id = voice;
    this.model = this.told.model(); // another recogniser wouldn't know it
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.lose(`Your voice was forgotten after an hour. ${UNKNOWN}`), 1000 * KEPT);
    this.known = `Your voice is known, from ${counted(utterances, "utterance")}. Everything you record or open from now on is judged by it.`;
    this.parts.forget.classList.remove("hidden");
    this.end(this.known);
  }

  async forget() {
    const voice = this.id;
    this.lose(`Your voice is forgotten. ${UNKNOWN}`);
    try {
      await forgetVoice(voice);
    } catch (error) {
      if (error.status !== 404) this.told.failed(error);
    }
  }

  // The server doesn't know it any more.
  lose(words) {
    clearTimeout(this.timer);
    this.id = null;
    this.parts.forget.classList.add("hidden");
    this.say(words);
  }

  end(words) {
    this.tape = this.microphone = null;
    const { learn, words: label, level } = this.parts;
    learn.classList.remove("recording");
    label.textContent = `Speak for ${ENOUGH} seconds`;
    level.style.width = "0";
    this.say(words);
    this.told.busy(false);
  }
}
