// What was recorded or opened, played: all of it, a segment, or one channel alone.

import { clock } from "./words.js";

const STEPS = 1000; // of the slider

export class Player {
  // `moved` is told the time of what is heard, also while it's dragged; `failed` that it can't be played.
  constructor({ play, position, time, length }, { moved, failed }) {
    this.audio = new Audio();
    this.parts = { play, position, time, length };
    this.told = { moved, failed };
    this.stopAt = null;
    this.seconds = 0;
    play.addEventListener("click", () => this.toggle());
    position.addEventListener("input", () => this.seek((position.value / STEPS) * this.seconds));
    for (const event of ["timeupdate", "seeked"]) this.audio.addEventListener(event, () => this.follow());
    this.audio.addEventListener("play", () => { this.label(); requestAnimationFrame(() => this.run()); });
    this.audio.addEventListener("pause", () => { this.stopAt = null; this.label(); this.follow(); });
    this.audio.addEventListener("error", () => { if (this.address) { this.enable(false); failed(); } });
  }

  get usable() {
    return !this.parts.play.disabled;
  }

  get playing() {
    return !this.audio.paused;
  }

  load(blob, seconds) {
    this.clear();
    this.address = URL.createObjectURL(blob);
    this.audio.src = this.address;
    this.last(seconds);
    this.enable(true);
  }

  last(seconds) {
    this.seconds = seconds ?? 0;
    this.parts.length.textContent = clock(this.seconds);
  }

  clear() {
    this.audio.pause();
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
    this.audio.removeAttribute("src");
    this.last(0);
    this.enable(false);
    this.show(0);
  }

  enable(usable) {
    this.parts.play.disabled = this.parts.position.disabled = !usable;
  }

  toggle() {
    if (!this.usable) return;
    if (this.playing) this.audio.pause();
    else this.start();
  }

  playSegment({ start, end }) {
    if (!this.usable) return;
    this.audio.currentTime = start;
    this.start().then(() => { this.stopAt = end; });
  }

  async start() {
    try {
      await this.context?.resume();
      await this.audio.play();
    } catch (error) {
      if (error.name !== "AbortError") this.told.failed(); // aborted: something else is to be played by now
    }
  }

  seek(time) {
    this.stopAt = null;
    this.audio.currentTime = time;
    this.show(time);
    this.told.moved(time);
  }

  // One channel in both ears, or all as they are (null).
  hearOnly(channel) {
    if (channel === null && !this.context) return;
    if (!this.context) {
      this.context = new AudioContext();
      this.tap = this.context.createMediaElementSource(this.audio);
    }
    this.tap.disconnect();
    if (channel === null) {
      this.tap.connect(this.context.destination);
      return;
    }
    const splitter = this.context.createChannelSplitter(Math.max(2, channel + 1));
    const one = this.context.createGain();
    this.tap.connect(splitter);
    splitter.connect(one, channel);
    one.connect(this.context.destination);
  }

  run() {
    if (this.stopAt !== null && this.audio.currentTime >= this.stopAt) this.audio.pause();
    this.follow();
    if (this.playing) requestAnimationFrame(() => this.run());
  }

  follow() {
    if (!this.address) return;
    this.show(this.audio.currentTime);
    this.told.moved(this.audio.currentTime);
  }

  show(time) {
    const { position, time: words } = this.parts;
    words.textContent = clock(time);
    position.value = this.seconds ? (STEPS * time) / this.seconds : 0;
    position.setAttribute("aria-valuetext", `${clock(time)} of ${clock(this.seconds)}`);
  }

  label() {
    this.parts.play.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.parts.play.classList.toggle("playing", this.playing);
  }
}
