// What is heard and said: levels, the ring, and how good a call is.

const SILENCE_DB = -120;
// Europe's ringing tone: 425 Hz, 1 s on, 4 s off (ETSI TR 101 041-2).
const RING = { hz: 425, on: 1, every: 5, gain: 0.08 };

const context = new AudioContext({ sampleRate: 48000 });
const ear = () => new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
const far = { analyser: ear(), source: null };
const near = { analyser: ear(), source: null };
let ringing = null;

// Browsers keep sound off until the person has touched the page.
export const wake = () => context.resume();

const hear = (place, stream) => {
  place.source?.disconnect();
  place.source = stream ? context.createMediaStreamSource(stream) : null;
  place.source?.connect(place.analyser);
};
export const hearBox = (stream) => hear(far, stream);
export const hearMicrophone = (stream) => hear(near, stream);

export function ring(on) {
  if (on === Boolean(ringing)) return;
  if (!on) {
    clearInterval(ringing.timer);
    ringing.tone.stop();
    ringing = null;
    return;
  }
  const tone = new OscillatorNode(context, { frequency: RING.hz });
  const gain = new GainNode(context, { gain: 0 });
  tone.connect(gain).connect(context.destination);
  tone.start();
  const once = () => {
    gain.gain.setValueAtTime(RING.gain, context.currentTime);
    gain.gain.setValueAtTime(0, context.currentTime + RING.on);
  };
  once();
  ringing = { tone, timer: setInterval(once, RING.every * 1000) };
}

function level({ analyser }) {
  const wave = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(wave);
  const power = wave.reduce((sum, x) => sum + x * x, 0) / wave.length;
  return power > 1e-12 ? 10 * Math.log10(power) : SILENCE_DB;
}

// The loudest frequency that comes from the box.
function pitch({ analyser }) {
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let top = 1;
  for (let i = 1; i < bins.length - 1; i++) if (bins[i] > bins[top]) top = i;
  // A parabola through the peak in dB finds the frequency between two bins.
  const [a, b, c] = [bins[top - 1], bins[top], bins[top + 1]];
  const bend = a - 2 * b + c;
  const between = Number.isFinite(bend) && bend !== 0 ? (a - c) / (2 * bend) : 0;
  return ((top + between) * context.sampleRate) / analyser.fftSize;
}

export const levels = () => ({ box: level(far), microphone: level(near) });
export const loudest = () => pitch(far);

// A call's figures since `before`, which is what this returned the last time.
export async function figures(line, before) {
  const stats = await line.stats();
  const now = { codec: "", lost: 0, received: 0, jitter: 0, waited: 0, played: 0, roundTrip: null };
  stats.forEach((one) => {
    if (one.type === "inbound-rtp") {
      now.codec = stats.get(one.codecId)?.mimeType ?? "";
      now.lost = Math.max(0, one.packetsLost ?? 0);
      now.received = one.packetsReceived ?? 0;
      now.jitter = (one.jitter ?? 0) * 1000;
      now.waited = (one.jitterBufferDelay ?? 0) * 1000;
      now.played = one.jitterBufferEmittedCount ?? 0;
    }
    if (one.type === "candidate-pair" && one.nominated && one.currentRoundTripTime !== undefined) {
      now.roundTrip = one.currentRoundTripTime * 1000;
    }
  });
  const since = (key) => now[key] - (before?.[key] ?? 0);
  now.lostShare = since("lost") / Math.max(1, since("lost") + since("received"));
  now.delay = since("played") > 0 ? since("waited") / since("played") : 0;
  return now;
}

// In words: a delay of 150 ms goes unnoticed and more than 400 ms is not to be
// planned for (ITU-T G.114); speech stands 1 % of loss well, and 5 % badly.
export function verdict({ lostShare, delay, roundTrip }) {
  const oneWay = delay + (roundTrip ?? 0) / 2;
  if (lostShare < 0.01 && oneWay < 150) return "good";
  return lostShare < 0.05 && oneWay < 400 ? "fair" : "poor";
}
