// The server, and nothing else: every request of the page is in this file, and all go to where the page came from.

export class Refusal extends Error {
  constructor(sentence, { status = 0, wait = 0 } = {}) {
    super(sentence);
    this.status = status;
    this.wait = wait; // seconds, where the server said when to come again
  }
}

const UNREACHABLE = "The emotone server can’t be reached. See whether it still runs.";
const UNANSWERED = "The server doesn’t answer any more.";
const PATIENCE = 5; // times that a busy server is asked again
const SILENCE = 30; // seconds without a word, after which a server isn't waited for any more
let token = "";
let job = null; // the path of the one that runs

export const useToken = (given) => { token = given; };
const bearer = () => (token ? { Authorization: `Bearer ${token}` } : {});
const ignore = () => {};
const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });

function refusal(status, text, retryAfter) {
  let sentence = "";
  try { sentence = JSON.parse(text).error; } catch { /* not ours: a proxy's page, or nothing */ }
  return new Refusal(sentence || `The server answered with the error ${status}.`, { status, wait: Number(retryAfter) || 0 });
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options, headers: { ...bearer(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(UNREACHABLE);
  }
  if (!answer.ok) throw refusal(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  return answer;
}

// A busy server (429, 503) is asked again when it said to, a few times.
async function patiently(action, tell) {
  for (let n = 1; ; n++) {
    try {
      return await action();
    } catch (error) {
      if (![429, 503].includes(error.status) || n >= PATIENCE) throw error;
      const wait = Math.min(30, error.wait || n);
      tell(`The server is busy. Trying again in ${Math.ceil(wait)} s.`);
      await pause(wait);
    }
  }
}

const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `?${new URLSearchParams(given)}`;
};

export const limits = async () => (await ask("v1/limits")).json();
export const models = async () => (await ask("v1/models")).json();

// --- recordings ---

// fetch can't tell how much of an upload is done.
function send(path, body, { progress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    signal.addEventListener("abort", stop, { once: true });
    request.open("POST", path);
    for (const [name, value] of Object.entries(bearer())) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => { if (event.lengthComputable) progress(event.loaded / event.total); };
    request.upload.onload = () => progress(1);
    request.onload = () => {
      if (request.status < 300) resolve(request);
      else reject(refusal(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new Refusal(UNREACHABLE));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onloadend = () => signal.removeEventListener("abort", stop);
    request.send(body);
  });
}

// The segments of a recording, and a note where it broke off. `uploading` is told the share that was sent, `hearing`
// how many seconds were heard of how many (null: unknown), `tell` what to wait for.
export async function timeline(body, { settings, signal, uploading = ignore, hearing = ignore, tell = ignore }) {
  signal.throwIfAborted();
  const path = `v1/timeline${query({ ...settings, format: "json", job: "auto" })}`;
  const answer = await patiently(() => send(path, body, { progress: uploading, signal }), tell);
  if (answer.status !== 202) {
    return { segments: JSON.parse(answer.responseText), note: noteOf(answer.getResponseHeader("Emotone-Note")) };
  }
  return follow(JSON.parse(answer.responseText), { hearing, signal });
}

async function follow(begun, { hearing, signal }) {
  let now = begun;
  job = `v1/jobs/${encodeURIComponent(begun.id)}`;
  try {
    while (now.state === "waiting" || now.state === "running") {
      hearing(now.seconds, now.duration, now.state === "waiting");
      await pause(0.5);
      signal.throwIfAborted();
      now = await patiently(async () => (await ask(job, { signal })).json(), ignore);
    }
    if (now.state !== "done") throw new Refusal(now.error || `The recording wasn’t heard: the job was ${now.state}.`);
    const answer = await ask(`${job}/result?format=json`, { signal });
    return { segments: await answer.json(), note: noteOf(answer.headers.get("Emotone-Note")) };
  } finally {
    leave();
  }
}

// The job isn't wanted any more. If the server doesn't hear of it, it forgets it by itself later on.
export function leave() {
  if (job) ask(job, { method: "DELETE", keepalive: true }).catch(ignore);
  job = null;
}

function noteOf(header) {
  try { return header ? decodeURIComponent(header) : null; } catch { return header; }
}

// --- files and voices ---

export async function exported(segments, format, name) {
  const answer = await patiently(() => ask(`v1/export${query({ format, name: name.slice(0, 100) })}`, {
    method: "POST", body: JSON.stringify(segments), headers: { "Content-Type": "application/json" },
  }), ignore);
  return answer.blob();
}

export async function learnVoice(recordings, { model, signal }) {
  const form = new FormData();
  recordings.forEach((recording, n) => form.append("file", recording, `voice-${n + 1}`)); // not the files' own names
  return (await ask(`v1/voices${query({ model })}`, { method: "POST", body: form, signal })).json();
}

export async function forgetVoice(voice) {
  await ask(`v1/voices/${encodeURIComponent(voice)}`, { method: "DELETE" });
}

// --- the microphone's stream ---

// One recording being heard while it comes. What arrives is handed to `on`: ready, segment, provisional, lost.
export class Listening {
  constructor(start, on) {
    this.on = on;
    this.over = false;
    this.ready = false;
    this.waiting = []; // sound that came before the server was ready
    this.lastWord = performance.now();
    this.done = new Promise((resolve) => { this.finish = resolve; });
    const address = new URL("v1/stream", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.socket.send(JSON.stringify({ type: "start", ...start, token: token || null }));
    this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
    this.socket.onclose = () => this.close(this.sentence ?? (this.ready
      ? "The connection to the server was lost." : UNREACHABLE));
  }

  take(message) {
    this.lastWord = performance.now();
    if (message.type === "ready") {
      this.ready = true;
      this.on.ready(message);
      for (const piece of this.waiting.splice(0)) this.socket.send(piece);
    } else if (message.type === "segment") {
      this.on.segment(message.segment);
    } else if (message.type === "provisional") {
      this.on.provisional(message);
    } else if (message.type === "error") {
      this.sentence = message.error;
      this.status = message.status;
    } else if (message.type === "end") {
      this.close(null);
    }
  }

  feed(piece) {
    if (this.isForgotten) this.close(UNANSWERED);
    if (this.over) return;
    if (this.ready) this.socket.send(piece);
    else this.waiting.push(piece);
  }

  // Bytes that wait to be sent: they grow where the connection is slower than sound.
  get behind() {
    return this.socket.bufferedAmount;
  }

  // Resolves with null once everything was heard, or with the sentence why it wasn't.
  async stop() {
    while (!this.over && !this.ready && !this.isForgotten) await pause(0.05);
    if (!this.over && this.ready) this.socket.send(JSON.stringify({ type: "stop" }));
    while (!this.over && !this.isForgotten) await Promise.race([this.done, pause(1)]);
    this.close(UNANSWERED);
    return this.done;
  }

  // It says something every half a second, however slow the connection is.
  get isForgotten() {
    return performance.now() - this.lastWord > 1000 * SILENCE;
  }

  close(sentence) {
    if (this.over) return;
    this.over = true;
    this.socket.close();
    this.finish(sentence);
    if (sentence) this.on.lost(sentence, this.status);
  }
}
