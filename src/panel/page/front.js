// The front of the box: buttons that press, lamps that light, outputs.

import { $, el, svg, words } from "./dom.js";
import { request } from "./api.js";

const lamps = new Map();
const outputs = new Map();

export function draw(board, allowed, failed) {
  $("board-name").textContent = board.description || board.name;
  const front = $("front");
  front.replaceChildren(
    grille(),
    el("ul", { "aria-label": "Lamps" }, ...board.lamps.map(lamp)),
    el("div", { class: "pushes", role: "group", "aria-label": "Buttons" },
      ...board.buttons.map((button) => push(button, board.pressable, allowed, failed))),
  );
  if (board.outputs.length) front.append(el("ul", { "aria-label": "Outputs" }, ...board.outputs.map(output)));
  $("front-note").textContent = board.pressable
    ? `Press a button as you would on the wall. Board ${board.name}.`
    : `Buttons press only with allow-test = true in [panel]. Board ${board.name}.`;
}

function grille() {
  const holes = [];
  for (let y = 0; y < 4; y++) for (let x = 0; x < 9; x++) holes.push(svg("circle", { cx: 6 + x * 11, cy: 5 + y * 9, r: 2.4 }));
  return svg("svg", { viewBox: "0 0 100 37", "aria-hidden": "true" }, ...holes);
}

function lamp({ name, function: purpose }) {
  const light = el("span", { class: "lamp", "data-lamp": name, "data-function": purpose, "data-pattern": "off", "aria-hidden": "true" });
  const text = el("span", { text: name });
  lamps.set(name, { light, text });
  return el("li", { title: words(purpose) }, light, text);
}

function output({ name, function: purpose }) {
  const state = el("span", { class: "output", "data-output": name, "data-on": "false", "aria-hidden": "true" });
  const text = el("span", { text: name });
  outputs.set(name, { state, text });
  return el("li", { title: words(purpose) }, state, text);
}

function does(button) {
  const one = (gesture, action) => action && `${gesture}: ${words(action.action)}${action.to ? ` ${action.to.join(", ")}` : ""}`;
  return [one("press", button.press), one("hold", button.hold), one("double press", button.double_press)].filter(Boolean).join("; ");
}

// A pointer holds the button for as long as a finger does; so do Enter and the
// space bar. What only clicks, as screen readers do, makes a short press.
function push(button, pressable, allowed, failed) {
  const path = `/api/buttons/${encodeURIComponent(button.name)}`;
  const opens = [button.press, button.hold, button.double_press].some((action) => action?.action === "open-door");
  const element = el("button", { type: "button", class: "push", "data-button": button.name, title: does(button), text: words(button.name) });
  element.disabled = !pressable || (opens && !allowed.door);
  let down = false;
  let last = Promise.resolve();
  const send = (what, body) => { last = last.then(() => request("POST", `${path}/${what}`, body)).catch(failed); };
  const press = () => { if (!down) { down = true; element.dataset.down = "true"; send("press", {}); } };
  const release = () => { if (down) { down = false; element.dataset.down = "false"; send("release"); } };
  element.addEventListener("pointerdown", (event) => { if (event.button === 0) { element.setPointerCapture(event.pointerId); press(); } });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) element.addEventListener(end, release);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (!event.repeat) press();
  });
  element.addEventListener("keyup", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); release(); } });
  element.addEventListener("click", (event) => { if (event.detail === 0) send("press", { for_ms: 150 }); });
  return element;
}

export function show(status) {
  for (const [name, { light, text }] of lamps) {
    const pattern = status.leds[name] ?? "off";
    if (light.dataset.pattern === pattern) continue;
    light.dataset.pattern = pattern;
    text.setAttribute("aria-label", `${name}: ${words(pattern)}`);
    text.setAttribute("role", "img");
    // All lamps blink in step, as on the wall: one zero for all.
    for (const animation of light.getAnimations({ subtree: true })) animation.startTime = 0;
  }
  for (const [name, { state, text }] of outputs) {
    const on = String(status.outputs[name] ?? false);
    if (state.dataset.on === on) continue;
    state.dataset.on = on;
    text.setAttribute("role", "img");
    text.setAttribute("aria-label", `${name}: ${on === "true" ? "on" : "off"}`);
  }
}
