// In the browser's thread of sound: what the microphone gives, as 16-bit samples in pieces of a twentieth of a second.

const PIECE = Math.round(sampleRate / 20);

class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.begin();
    this.port.onmessage = () => { // asked for the rest: the recording is over
      this.send();
      this.port.postMessage(null);
      this.over = true;
    };
  }

  begin() {
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
  }

  send() {
    if (!this.filled) return;
    const piece = this.piece.slice(0, this.filled);
    this.port.postMessage(piece, [piece.buffer]);
    this.begin();
  }

  process(inputs) {
    const channels = inputs[0];
    if (this.over) return false;
    if (!channels.length) return true; // the microphone isn't connected yet
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const level = Math.max(-1, Math.min(1, sum / channels.length));
      this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(32768 * level)));
      if (this.filled === PIECE) this.send();
    }
    return true;
  }
}

registerProcessor("tap", Tap);
