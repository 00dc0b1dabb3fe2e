// What is written and said: names, numbers and times. The same words as emotone's own, in Python.

export const QUIET = "no speech";
export const UNSURE = "can’t tell";
export const SPEECH = "speech"; // of a recogniser of dimensions, which names no emotion

export const FLAGS = {
  too_short: "Too short to tell an emotion from.",
  no_speech: "Nobody is heard to speak: there is silence, or other sounds.",
  uncertain: "No emotion is likely enough to name one.",
  long: "Long for one answer: emotions change within it.",
  low_level: "Very quiet: what is heard may be noise.",
  clipped: "Clipped: recorded too loud, so the voice is distorted.",
};

const OTHERS = { [QUIET]: "#a5acb5", [UNSURE]: "#8b949e", [SPEECH]: "#6b7a8c" };

let colours = {};
export const useColours = (given) => { colours = { ...colours, ...given }; };
export const tintOf = (name) => OTHERS[name] ?? colours[name] ?? "#8a6d52";

// Black or white, whichever is read better on a tint: none of the emotions' colours takes white alone.
export function inkOn(tint) {
  const channel = (place) => {
    const share = parseInt(tint.slice(place, place + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const light = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  return 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 ? "#ffffff" : "#000000";
}

export const isQuiet = (segment) => segment.flags.includes("no_speech");

// What a segment is drawn and listed as.
export function nameOf(segment) {
  if (segment.emotion !== null) return segment.emotion;
  if (isQuiet(segment)) return QUIET;
  return hasNumbersOnly(segment) ? SPEECH : UNSURE;
}

export function hasNumbersOnly(segment) {
  return Object.keys(segment.scores).length === 0 && Object.keys(segment.dimensions).length > 0;
}

export const percent = (share) => `${Math.round(100 * share)} %`;

export function clock(seconds, digits = 1) {
  const whole = Math.round(seconds * 10 ** digits) / 10 ** digits;
  const hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);
  const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export const span = (segment) => `${clock(segment.start)}–${clock(segment.end)}`;

export function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toPrecision(3)} MB`;
}

export function lasting(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} seconds`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} minutes` : `${(seconds / 3600).toPrecision(2)} hours`;
}

export const counted = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

// For screen readers, once a segment is final.
export function spoken(segment) {
  const times = `${segment.start.toFixed(1)} to ${segment.end.toFixed(1)} seconds`;
  const name = nameOf(segment);
  if (name === SPEECH) {
    const numbers = Object.entries(segment.dimensions).map(([what, value]) => `${what} ${value.toFixed(2)}`);
    return `${numbers.join(", ")}, ${times}`;
  }
  return segment.emotion === null ? `${name}, ${times}` : `${name}, ${percent(segment.confidence)}, ${times}`;
}

export function stem(fileName) {
  return fileName.replace(/\.[^.]*$/, "") || "recording";
}
