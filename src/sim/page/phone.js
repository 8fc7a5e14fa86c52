"use strict";
// A phone: signalling over a WebSocket, sound over WebRTC without trickle.
//
// For tests: ?auto=answer answers by itself, ?codec=opus|pcmu|pcma knows that
// codec only, ?processing=off sends the microphone as it is.

const wishes = new URLSearchParams(location.search);
const byId = (id) => document.getElementById(id);

let socket = null;
let microphone = null;
let hearing = null; // { context, analyser }
let peer = null;
let offered = null; // the SDP of a call that rings here

// What people see.

function show(state, text) {
  byId("state").textContent = text;
  byId("answer").hidden = state !== "ringing";
  byId("hang-up").hidden = !["ringing", "calling", "in-call"].includes(state);
  byId("call").hidden = state !== "ready";
  byId("keypad").hidden = state !== "in-call";
}

function ready() {
  show("ready", "Ready");
}

function trouble(error) {
  const detail = String(error && error.message ? error.message : error);
  byId("trouble").textContent = detail;
  byId("trouble").hidden = false;
  say({ say: "trouble", detail });
}

// What the core hears and says.

function say(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/signalling`);
  socket.onopen = ready;
  socket.onmessage = (event) => hear(JSON.parse(event.data)).catch((error) => {
    trouble(error);
    say({ say: "bye" });
    release();
  });
  socket.onclose = () => {
    release();
    show("offline", "The simulated core is away");
    setTimeout(connect, 1000);
  };
}

async function hear(message) {
  switch (message.say) {
    case "offer":
      offered = message.sdp;
      show("ringing", `${message.from} is called`);
      say({ say: "ringing" });
      if (wishes.get("auto") === "answer") await answer();
      break;
    case "pick-up":
      await answer();
      break;
    case "make-offer":
      await offer();
      break;
    case "answer":
      await peer.setRemoteDescription({ type: "answer", sdp: message.sdp });
      show("in-call", "In a call");
      break;
    case "reoffer":
      say({ say: "answer", sdp: await answerTo(message.sdp) });
      break;
    case "digits":
      press(message.digits);
      break;
    case "bye":
      release();
      ready();
      break;
  }
}

async function answer() {
  if (offered === null) return;
  const sdp = offered;
  offered = null;
  open();
  say({ say: "answer", sdp: await answerTo(sdp) });
  show("in-call", "In a call");
}

async function answerTo(sdp) {
  await peer.setRemoteDescription({ type: "offer", sdp });
  prefer();
  await peer.setLocalDescription();
  return described();
}

async function offer() {
  open();
  prefer();
  show("calling", "Calling the box");
  await peer.setLocalDescription();
  say({ say: "offer", sdp: await described() });
}

// The peer connection.

function open() {
  release();
  peer = new RTCPeerConnection();
  peer.ontrack = (event) => listen(new MediaStream([event.track]));
  if (microphone) peer.addTrack(microphone.getAudioTracks()[0], microphone);
  else peer.addTransceiver("audio", { direction: "recvonly" });
  if (hearing) hearing.context.resume();
}

function prefer() {
  const codec = wishes.get("codec");
  if (!codec) return;
  const kept = ["audio/" + codec, "audio/telephone-event"];
  const codecs = RTCRtpReceiver.getCapabilities("audio").codecs.filter((one) =>
    kept.includes(one.mimeType.toLowerCase()));
  for (const transceiver of peer.getTransceivers()) transceiver.setCodecPreferences(codecs);
}

// There is no message for a late candidate: all of them travel in the SDP.
async function described() {
  const here = peer;
  await new Promise((resolve) => {
    const look = () => here.iceGatheringState === "complete" && resolve();
    here.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, 3000);
    look();
  });
  return here.localDescription.sdp;
}

function release() {
  offered = null;
  if (peer) peer.close();
  peer = null;
  byId("sound").srcObject = null;
  if (hearing && hearing.source) hearing.source.disconnect();
}

// What comes from the box: played, and measured once a second.

function listen(stream) {
  byId("sound").srcObject = stream;
  if (hearing.source) hearing.source.disconnect();
  hearing.source = hearing.context.createMediaStreamSource(stream);
  hearing.source.connect(hearing.analyser);
}

function measure() {
  const { context, analyser } = hearing;
  const wave = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(wave);
  const power = wave.reduce((sum, x) => sum + x * x, 0) / wave.length;
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let top = 1;
  for (let i = 1; i < bins.length - 1; i++) if (bins[i] > bins[top]) top = i;
  // A parabola through the peak in dB finds the frequency between two bins.
  const [a, b, c] = [bins[top - 1], bins[top], bins[top + 1]];
  const bend = a - 2 * b + c;
  const between = Number.isFinite(bend) && bend !== 0 ? (a - c) / (2 * bend) : 0;
  return {
    level_db: power > 1e-12 ? 10 * Math.log10(power) : -120,
    hz: ((top + between) * context.sampleRate) / analyser.fftSize,
  };
}

async function report() {
  const { level_db, hz } = measure();
  byId("level").value = level_db;
  let codec = "";
  const here = peer;
  if (here) {
    const stats = await here.getStats();
    stats.forEach((one) => {
      if (one.type === "inbound-rtp" && stats.get(one.codecId)) codec = stats.get(one.codecId).mimeType;
    });
  }
  const state = here ? here.connectionState : "none";
  byId("heard").textContent = here ? `${level_db.toFixed(0)} dBFS ${codec}` : "";
  say({ say: "report", report: { level_db, hz, state, codec } });
}

function press(keys) {
  const sender = peer && peer.getSenders().find((one) => one.dtmf && one.dtmf.canInsertDTMF);
  if (sender) sender.dtmf.insertDTMF(keys, 100, 70);
  else trouble("the box takes no digits in this call");
}

async function start() {
  const context = new AudioContext({ sampleRate: 48000 });
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  hearing = { context, analyser, source: null };
  byId("answer").onclick = () => answer().catch(trouble);
  byId("hang-up").onclick = () => {
    say({ say: "bye" });
    release();
    ready();
  };
  byId("call").onclick = () => say({ say: "call" });
  byId("keypad").onclick = (event) => event.target.matches("button") && press(event.target.textContent);
  const on = wishes.get("processing") !== "off";
  const audio = { echoCancellation: on, noiseSuppression: on, autoGainControl: on };
  try {
    microphone = await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    trouble(`no microphone: ${error.message}`);
  }
  connect();
  setInterval(() => report().catch(trouble), 1000);
}

start();
