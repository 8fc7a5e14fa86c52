// A phone: signalling over a WebSocket, sound over WebRTC. Ties the parts
// together and shows them.
//
// For tests: ?auto=answer answers by itself, ?codec=opus|pcmu|pcma knows that
// codec only, ?processing=off sends the microphone as it is.

import { Line } from "./line.js";
import { connect, say } from "./signalling.js";
import * as sound from "./sound.js";

const wishes = new URLSearchParams(location.search);
const $ = (id) => document.getElementById(id);
const TITLE = document.title;
const REPORT_MS = 1000;
const REFRESH_MS = 100;

// What can be pressed in which state.
const BUTTONS = {
  starting: [], offline: [], ready: ["dial"], ringing: ["answer", "hang-up"], handed: ["answer", "hang-up"],
  calling: ["hang-up"], "in-call": ["mute", "hang-up"],
};

let me = 0;
let phones = [];
let state = "starting";
let microphone = null;
let line = null;
let offered = null; // the SDP of a call that rings here
let since = 0; // when the talk began
let last = null; // its figures a second ago

// What people see.

function show(next, text, who = "") {
  const held = document.activeElement;
  const begins = ["starting", "offline"].includes(state);
  state = next;
  document.body.dataset.state = state;
  $("state").textContent = text;
  $("who").textContent = who;
  for (const id of ["answer", "hang-up", "mute", "dial"]) $(id).hidden = !BUTTONS[state].includes(id);
  $("hang-up").textContent = ["ringing", "handed"].includes(state) ? "Decline" : "Hang up";
  $("pad").hidden = state !== "in-call";
  $("figures").hidden = state !== "in-call";
  if (state !== "in-call") $("time").textContent = "";
  const rings = ["ringing", "handed"].includes(state);
  document.title = rings ? `☎ ${text}` : TITLE;
  sound.ring(rings);
  list();
  // A button that vanishes takes the keyboard's place with it.
  if (!begins && (!held?.isConnected || held === document.body || held.closest("[hidden]"))) {
    $(BUTTONS[state][0])?.focus({ preventScroll: true });
  }
}

const notice = (text) => { $("notice").textContent = text; };

function trouble(error) {
  const detail = String(error?.message ?? error);
  $("trouble").textContent = detail;
  $("trouble").hidden = false;
  say({ say: "trouble", detail });
}

function list() {
  const own = phones.find(({ phone }) => phone === me);
  if (own && document.activeElement !== $("name")) $("name").value = own.name;
  const others = phones.filter(({ phone }) => phone !== me);
  $("alone").hidden = others.length > 0;
  $("others").replaceChildren(...others.map((other) => {
    const item = document.createElement("li");
    item.dataset.phone = other.name;
    item.append(`${other.name}: ${other.state.replace("-", " ")}`);
    if (state === "in-call" && other.state === "ready") {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `Hand over to ${other.name}`;
      button.onclick = () => {
        say({ say: "hand-over", to: other.phone });
        notice(`It rings at ${other.name}.`);
      };
      item.append(button);
    }
    return item;
  }));
}

// What the core says.

async function hear(message) {
  switch (message.say) {
    case "you":
      me = message.phone;
      $("note").textContent = message.note;
      rename(sessionStorage.getItem("name") ?? "");
      break;
    case "phones":
      phones = message.phones;
      list();
      break;
    case "offer":
      notice("");
      offered = message.sdp;
      show("ringing", "The box is calling", `It wants ${message.dialled}.`);
      say({ say: "ringing" });
      if (wishes.get("auto") === "answer") await answer();
      break;
    case "hand-over":
      notice("");
      show("handed", `${message.from} hands you a call`, "Somebody at the box is on the line.");
      say({ say: "ringing" });
      if (wishes.get("auto") === "answer") await answer();
      break;
    case "pick-up":
      await answer();
      break;
    case "make-offer":
      show("calling", "Calling the box");
      await offer();
      break;
    case "answer":
      if (!line) break;
      await line.answered(message.sdp);
      talk();
      break;
    case "reoffer":
      if (line) say({ say: "answer", sdp: await line.answer(message.sdp) });
      break;
    case "digits":
      press(message.digits);
      break;
    case "kept":
      notice(`The call stays here: ${message.why}.`);
      break;
    case "bye":
      release();
      show("ready", "Ready");
      notice(message.why && `Last call: ${message.why}.`);
      break;
  }
}

// What a person does.

async function answer() {
  if (state === "handed") {
    show("calling", "Taking the call over");
    await offer();
  } else if (offered !== null) {
    const sdp = offered;
    offered = null;
    open();
    say({ say: "answer", sdp: await line.answer(sdp) });
    talk();
  }
}

function hangUp() {
  say({ say: "bye" });
  release();
  show("ready", "Ready");
}

function press(digits) {
  if (!line?.press(digits)) return trouble("the box takes no digits in this call");
  $("pressed").textContent = ($("pressed").textContent + digits).slice(-16);
}

function mute(on) {
  for (const track of microphone?.getAudioTracks() ?? []) track.enabled = !on;
  $("mute").setAttribute("aria-pressed", String(on));
}

function rename(name) {
  if (name) sessionStorage.setItem("name", name);
  say({ say: "name", name });
}

// The call.

function open() {
  release();
  sound.wake();
  line = new Line(microphone, wishes.get("codec"), {
    track(stream) {
      $("sound").srcObject = stream;
      sound.hearBox(stream);
    },
    // The core waits for it when a call is handed over.
    state: () => report().catch(trouble),
  });
}

async function offer() {
  open();
  say({ say: "offer", sdp: await line.offer() });
}

function talk() {
  since = Date.now();
  $("pressed").textContent = "";
  show("in-call", "Talking to the box", microphone ? "" : "The box does not hear you: there is no microphone.");
}

function release() {
  offered = null;
  last = null;
  line?.close();
  line = null;
  mute(false);
  $("sound").srcObject = null;
  sound.hearBox(null);
}

// To the core and into the figures, once a second and when the connection changes.
async function report() {
  const here = line;
  const codec = here ? await figures(here) : "";
  const level_db = sound.levels().box;
  say({ say: "report", report: { level_db, hz: sound.loudest(), state: here?.state ?? "none", codec } });
}

async function figures(here) {
  const now = await sound.figures(here, last);
  if (here !== line) return "";
  last = now;
  const ms = (value) => (value === null ? "–" : `${value.toFixed(0)} ms`);
  $("verdict").textContent = here.state === "connected" ? sound.verdict(now) : here.state;
  $("lost").textContent = `${(now.lostShare * 100).toFixed(1)} %`;
  $("jitter").textContent = ms(now.jitter);
  $("delay").textContent = ms(now.delay);
  $("round-trip").textContent = ms(now.roundTrip);
  $("codec").textContent = now.codec.replace("audio/", "");
  return now.codec;
}

function refresh() {
  if (document.hidden) return;
  const { box, microphone: here } = sound.levels();
  $("from-box").value = box;
  $("from-here").value = here;
  if (state !== "in-call") return;
  const s = Math.floor((Date.now() - since) / 1000);
  $("time").textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

async function start() {
  $("answer").onclick = () => answer().catch(trouble);
  $("hang-up").onclick = hangUp;
  $("mute").onclick = () => mute($("mute").getAttribute("aria-pressed") !== "true");
  $("dial").onclick = () => { notice(""); sound.wake(); say({ say: "call" }); };
  $("keys").onclick = (event) => {
    const key = event.target.closest("button");
    if (key) press(key.dataset.key ?? key.textContent);
  };
  $("naming").onsubmit = (event) => {
    event.preventDefault();
    $("name").blur();
    rename($("name").value.trim());
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey;
    if (state === "in-call" && !typing && /^[0-9*#]$/.test(event.key)) press(event.key);
  });
  const on = wishes.get("processing") !== "off";
  const audio = { echoCancellation: on, noiseSuppression: on, autoGainControl: on };
  try {
    microphone = await navigator.mediaDevices.getUserMedia({ audio });
    sound.hearMicrophone(microphone);
    sound.wake();
  } catch (error) {
    trouble(`no microphone: ${error.message}`);
  }
  connect({
    up: () => show("ready", "Ready"),
    message: (message) => hear(message).catch((error) => {
      trouble(error);
      hangUp();
    }),
    down: () => {
      release();
      show("offline", "The simulated core is away");
    },
  });
  setInterval(() => report().catch(trouble), REPORT_MS);
  setInterval(refresh, REFRESH_MS);
}

start();
