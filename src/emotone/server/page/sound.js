// Sound in the page: a microphone's, kept and ready to play; a file's, to draw its shape. Memory has bounds, however long
// either is: what was recorded goes to blobs, which browsers put on disk, and shapes get coarser as they get longer.

const COLUMNS = 1 << 16; // of a shape, at most
const FINEST = 100; // columns a second, at the beginning
const TO_BLOB = 1 << 20; // bytes after which recorded samples leave the page's own memory
const LONGEST_DECODED = 600; // seconds that browsers decode in one go, which takes memory for all of it
const LARGEST_DECODED = 200e6, LARGEST_UNKNOWN = 20e6; // bytes; of files that don't tell how long they are
const SLICE = 1 << 22; // bytes of a long WAV file that are read at once
const DRAWN_RATE = 8000; // for drawings only

// --- the shape of a sound ---

// The lowest and the highest sample of each hundredth of a second, later of each fiftieth, and so on.
export class Shape {
  constructor(rate) {
    this.perColumn = rate / FINEST;
    this.rate = rate;
    this.low = new Int8Array(COLUMNS);
    this.high = new Int8Array(COLUMNS);
    this.count = 0; // columns
    this.samples = 0;
    this.peak = 1;
  }

  get seconds() {
    return this.samples / this.rate;
  }

  // Samples within [-full, full].
  add(samples, full) {
    const scale = 127 / full;
    for (let i = 0; i < samples.length; i++) {
      let column = Math.floor(this.samples / this.perColumn);
      if (column >= COLUMNS) {
        this.halve();
        column = Math.floor(this.samples / this.perColumn);
      }
      const value = Math.max(-127, Math.min(127, Math.round(samples[i] * scale)));
      if (column >= this.count) {
        this.count = column + 1;
        this.low[column] = this.high[column] = value;
      } else if (value < this.low[column]) this.low[column] = value;
      else if (value > this.high[column]) this.high[column] = value;
      if (value > this.peak) this.peak = value;
      else if (-value > this.peak) this.peak = -value;
      this.samples++;
    }
  }

  halve() {
    for (let i = 0; i < COLUMNS / 2; i++) {
      this.low[i] = Math.min(this.low[2 * i], this.low[2 * i + 1]);
      this.high[i] = Math.max(this.high[2 * i], this.high[2 * i + 1]);
    }
    this.count = COLUMNS / 2;
    this.perColumn *= 2;
  }

  // Lowest and highest between two times, as shares of the loudest; null where there is no sound.
  between(from, to) {
    const first = Math.max(0, Math.floor((from * this.rate) / this.perColumn));
    const last = Math.min(this.count, Math.max(first + 1, Math.ceil((to * this.rate) / this.perColumn)));
    if (first >= last) return null;
    let low = 127, high = -127;
    for (let i = first; i < last; i++) {
      if (this.low[i] < low) low = this.low[i];
      if (this.high[i] > high) high = this.high[i];
    }
    const loudest = Math.max(this.peak, 4); // silence is drawn as silence, not its noise as sound
    return [low / loudest, high / loudest];
  }
}

// --- a microphone ---

export class NoMicrophone extends Error {}

const REASONS = {
  NotAllowedError: "The microphone is blocked. Allow it for this page, in the browser’s address bar or in the system’s settings, and press Record again.",
  NotFoundError: "No microphone was found. Plug one in, or drop a recording instead.",
  NotReadableError: "The microphone can’t be used: another program may hold it.",
};

export function whyNoMicrophone() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    return "Browsers give a microphone only to pages of this computer (http://127.0.0.1) or over https. Recordings can be dropped here all the same.";
  }
  return window.AudioWorkletNode ? "" : "This browser is too old to record here. Recordings can be dropped here all the same.";
}

// Sound as it comes: `hear` gets an Int16Array of mono samples at `rate`, `ended` is called where the microphone goes away.
export class Microphone {
  static async open({ hear, ended }) {
    const reason = whyNoMicrophone();
    if (reason) throw new NoMicrophone(reason);
    const microphone = new Microphone();
    try {
      // What telephones do to a voice (gates, gain, noise filters) changes how it sounds, so it's switched off.
      microphone.tracks = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
      });
      microphone.context = new AudioContext();
      microphone.rate = microphone.context.sampleRate;
      await microphone.context.audioWorklet.addModule("worklet.js");
      await microphone.context.resume();
    } catch (error) {
      microphone.close();
      throw new NoMicrophone(REASONS[error.name] ?? `The microphone can’t be used: ${error.message}.`);
    }
    microphone.connect(hear, ended);
    return microphone;
  }

  connect(hear, ended) {
    this.tap = new AudioWorkletNode(this.context, "tap", { numberOfInputs: 1, numberOfOutputs: 0 });
    this.rest = new Promise((resolve) => {
      this.tap.port.onmessage = (event) => (event.data ? hear(event.data) : resolve());
    });
    this.source = this.context.createMediaStreamSource(this.tracks);
    this.source.connect(this.tap);
    this.tracks.getAudioTracks()[0].addEventListener("ended", ended);
  }

  // Resolves once the last sample was handed over.
  async stop() {
    this.source.disconnect();
    this.tap.port.postMessage("rest");
    await Promise.race([this.rest, new Promise((resolve) => { setTimeout(resolve, 1000); })]);
    this.close();
  }

  close() {
    this.tracks?.getTracks().forEach((track) => track.stop());
    this.context?.close();
  }
}

// --- what was recorded ---

export class Tape {
  constructor(rate) {
    this.rate = rate;
    this.blobs = [];
    this.pieces = [];
    this.bytes = 0; // in pieces
    this.samples = 0;
    this.shape = new Shape(rate);
  }

  get seconds() {
    return this.samples / this.rate;
  }

  add(piece) {
    this.pieces.push(piece);
    this.bytes += piece.byteLength;
    this.samples += piece.length;
    this.shape.add(piece, 32768);
    if (this.bytes < TO_BLOB) return;
    this.blobs.push(new Blob(this.pieces));
    this.pieces = [];
    this.bytes = 0;
  }

  // Exactly the samples that were sent, as a WAV file.
  wav() {
    return new Blob([wavHeader(this.samples, this.rate), ...this.blobs, ...this.pieces], { type: "audio/wav" });
  }

  // A part of them, between two times.
  part(start, end) {
    const [first, last] = [start, end].map((time) => Math.min(this.samples, Math.round(time * this.rate)));
    const samples = new Blob([...this.blobs, ...this.pieces]).slice(2 * first, 2 * last);
    return new Blob([wavHeader(last - first, this.rate), samples], { type: "audio/wav" });
  }
}

function wavHeader(samples, rate) {
  const header = new DataView(new ArrayBuffer(44));
  const text = (place, letters) => [...letters].forEach((letter, i) => header.setUint8(place + i, letter.charCodeAt(0)));
  const bytes = Math.min(2 * samples, 0xffffffff - 36);
  text(0, "RIFF");
  header.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // channels
  header.setUint32(24, rate, true);
  header.setUint32(28, 2 * rate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, "data");
  header.setUint32(40, bytes, true);
  return header;
}

// --- a file ---

// {seconds, shapes}: a shape for each channel; none where it can't be drawn, and seconds null where nobody knows.
export async function inspect(file, address) {
  const [seconds, wav] = await Promise.all([durationOf(address), readWavHeader(file)]);
  const small = seconds === null ? file.size <= LARGEST_UNKNOWN : seconds <= LONGEST_DECODED && file.size <= LARGEST_DECODED;
  if (wav && !small) return { seconds: wav.seconds, shapes: await shapesOfWav(file, wav) };
  const shapes = small ? await shapesDecoded(file) : [];
  return { seconds: seconds ?? shapes[0]?.seconds ?? null, shapes };
}

function durationOf(address) {
  return new Promise((resolve) => {
    const player = new Audio();
    player.preload = "metadata";
    player.onloadedmetadata = () => resolve(Number.isFinite(player.duration) ? player.duration : null);
    player.onerror = () => resolve(null);
    player.src = address;
  });
}

async function shapesDecoded(file) {
  try {
    const decoder = new OfflineAudioContext(1, 1, DRAWN_RATE);
    const sound = await decoder.decodeAudioData(await file.arrayBuffer());
    return Array.from({ length: sound.numberOfChannels }, (_, channel) => {
      const shape = new Shape(DRAWN_RATE);
      shape.add(sound.getChannelData(channel), 1);
      return shape;
    });
  } catch {
    return []; // the server reads more formats than browsers do
  }
}

// Of a plain PCM or float WAV file: where its samples are. Null for anything else.
async function readWavHeader(file) {
  const view = new DataView(await file.slice(0, 1 << 16).arrayBuffer());
  const name = (place) => String.fromCharCode(...new Uint8Array(view.buffer, place, 4));
  if (view.byteLength < 44 || name(0) !== "RIFF" || name(8) !== "WAVE") return null;
  let form = null;
  for (let place = 12; place + 8 <= view.byteLength;) {
    const length = view.getUint32(place + 4, true), body = place + 8;
    if (name(place) === "fmt " && body + 16 <= view.byteLength) {
      form = {
        kind: view.getUint16(body, true), channels: view.getUint16(body + 2, true),
        rate: view.getUint32(body + 4, true), bits: view.getUint16(body + 14, true),
      };
    } else if (name(place) === "data" && form) {
      const known = (form.kind === 1 && form.bits === 16) || (form.kind === 3 && form.bits === 32);
      if (!known || !form.channels || !form.rate) return null;
      const frame = (form.channels * form.bits) / 8;
      const frames = Math.floor(Math.min(length || Infinity, file.size - body) / frame);
      return { ...form, first: body, frame, frames, seconds: frames / form.rate };
    }
    place = body + length + (length % 2);
  }
  return null;
}

async function shapesOfWav(file, wav) {
  const shapes = Array.from({ length: wav.channels }, () => new Shape(wav.rate));
  const [Samples, full] = wav.kind === 1 ? [Int16Array, 32768] : [Float32Array, 1];
  const step = Math.floor(SLICE / wav.frame) * wav.frame, end = wav.first + wav.frames * wav.frame;
  for (let place = wav.first; place < end; place += step) {
    const samples = new Samples(await file.slice(place, Math.min(end, place + step)).arrayBuffer());
    shapes.forEach((shape, channel) => {
      shape.add(wav.channels === 1 ? samples : samples.filter((_, i) => i % wav.channels === channel), full);
    });
  }
  return shapes;
}

// Of all channels together: their mean isn't known from shapes, so the widest of them is drawn.
export function together(shapes) {
  if (shapes.length < 2) return shapes[0] ?? null;
  return {
    get seconds() { return shapes[0].seconds; },
    between(from, to) {
      const each = shapes.map((shape) => shape.between(from, to)).filter(Boolean);
      return each.length ? [Math.min(...each.map(([low]) => low)), Math.max(...each.map(([, high]) => high))] : null;
    },
  };
}
