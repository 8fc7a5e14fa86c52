// The call at the box: its state, what can be done with it, its time line.

import { $, el, say, words } from "./dom.js";
import { act } from "./api.js";

const LONGEST = 200;
let from = { at: 0, began: "start" };
let muted = false;
let door = false;

export function listen(session) {
  door = session.allow.door;
  const report = (promise) => promise.then(() => say($("act-result"), "done"), (error) => say($("act-result"), error.message));
  for (const button of $("actions").querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const action = button.dataset.act;
      const more = { mute: { on: !muted }, louder: { action: "volume", change: "up" }, quieter: { action: "volume", change: "down" } };
      report(act({ action, ...more[action] }));
    });
  }
  $("dial").addEventListener("submit", (event) => {
    event.preventDefault();
    report(act({ action: "call", to: [$("who").value.trim()] }));
  });
  $("dtmf").addEventListener("submit", (event) => {
    event.preventDefault();
    report(act({ action: "dtmf", digits: $("digits").value }).then(() => { $("digits").value = ""; }));
  });
}

export function show(status) {
  const peer = status.peer ? ` with ${status.peer}` : "";
  const others = status.calls.length > 1 ? `, ${status.calls.length} calls` : "";
  const elsewhere = status.busy_elsewhere ? ", the number is in a call elsewhere" : "";
  say($("call-state"), `${words(status.call)}${peer}${others}${status.muted ? ", muted" : ""}${elsewhere}`);
  muted = status.muted;
  const mute = $("actions").querySelector("[data-act=mute]");
  mute.setAttribute("aria-pressed", String(muted));
  const idle = status.call === "idle";
  const can = { answer: status.call === "incoming", "hang-up": !idle, mute: !idle, "to-phone": status.call === "in-call", "take-over": status.busy_elsewhere, "self-test": idle, louder: true, quieter: true, "open-door": true };
  for (const button of $("actions").querySelectorAll("button")) button.disabled = !can[button.dataset.act];
  $("actions").querySelector("[data-act=open-door]").hidden = !(door && status.door);
  $("dtmf").querySelector("button").disabled = status.call !== "in-call";
}

// Times count from the press, or from a call that comes in.
export function log(entries) {
  const list = $("timeline");
  for (const entry of entries) {
    const begins = entry.kind === "button" ? "press" : entry.kind === "call" && entry.state === "incoming" ? "call" : null;
    if (begins) {
      from = { at: entry.t_us, began: begins };
      list.replaceChildren();
    }
    // What was asked for with the button above takes some seconds.
    if (entry.kind === "self-test") say($("act-result"), entry.text);
    if (!["button", "call", "step", "refused", "self-test"].includes(entry.kind)) continue;
    const ms = (entry.t_us - from.at) / 1000;
    list.append(el("li", { "data-kind": entry.kind, "data-what": entry.step ?? entry.state ?? entry.gesture },
      el("span", { class: "at", text: `${ms.toFixed(1)} ms` }), el("span", { text: entry.text })));
    while (list.childElementCount > LONGEST) list.firstElementChild.remove();
    list.scrollTop = list.scrollHeight;
  }
}
