// Figures of sound, each with its last minute as a small graph.

import { $, el, svg, say } from "./dom.js";

const SAMPLES = 240; // a minute at four a second
const one = (digits) => (value) => value.toFixed(digits);

const METERS = [
  { key: "capture_level_db", name: "Microphone", unit: "dBFS", low: -80, high: 0, text: one(0) },
  { key: "playback_level_db", name: "Loudspeaker", unit: "dBFS", low: -80, high: 0, text: one(0) },
  { key: "jitter_ms", name: "Jitter", unit: "ms", low: 0, high: 30, text: one(1) },
  { key: "concealed_ratio", name: "Made up", unit: "%", low: 0, high: 10, scale: 100, text: one(1) },
  { key: "playout_delay_ms", name: "Playout delay", unit: "ms", low: 0, high: 200, text: one(0) },
  { key: "echo_return_loss_db", name: "Echo return loss", unit: "dB", low: 0, high: 60, text: one(0) },
];

export function draw() {
  $("meters").replaceChildren(...METERS.map((meter) => {
    meter.ring = [];
    meter.path = svg("path");
    meter.output = el("output", { text: "–" });
    const graph = svg("svg", { viewBox: `0 0 ${SAMPLES} 100`, preserveAspectRatio: "none", "aria-hidden": "true" }, meter.path);
    return el("figure", { class: "meter", "data-meter": meter.key },
      el("figcaption", {}, el("span", { text: meter.name }), el("span", {}, meter.output, ` ${meter.unit}`)), graph);
  }));
}

export function show({ audio }) {
  for (const meter of METERS) {
    const raw = audio[meter.key];
    const value = raw === null || raw === undefined ? null : raw * (meter.scale ?? 1);
    meter.ring.push(value);
    if (meter.ring.length > SAMPLES) meter.ring.shift();
    say(meter.output, value === null ? "–" : meter.text(value));
    if (!document.hidden) meter.path.setAttribute("d", line(meter));
  }
}

function line({ ring, low, high }) {
  const start = SAMPLES - ring.length;
  let pen = "M";
  return ring.map((value, index) => {
    if (value === null) { pen = "M"; return ""; }
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    const point = `${pen}${start + index} ${(98 - 96 * share).toFixed(1)}`;
    pen = "L";
    return point;
  }).join("");
}
