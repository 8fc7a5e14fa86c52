// The session and why, and faults with their cure.

import { $, el, say, words, duration } from "./dom.js";

let last = "";

export function show(status) {
  const check = status.check_call;
  const facts = [
    ["Session", status.session + (status.session_detail ? `: ${status.session_detail}` : "")],
    ["Running for", duration(status.uptime_s * 1000)],
    ...Object.entries(status.inputs).map(([name, active]) => [`Input ${name}`, active ? "active" : "at rest"]),
    ...(status.update ? [["Image", `${status.update.version} in slot ${status.update.slot}: ${status.update.state} ${status.update.detail}`]] : []),
    ["Loudspeaker", `${status.volume} %`],
    ["Sound devices", `${status.audio.xruns} under-runs and over-runs`],
    ...(check ? [["Check call", Number.isInteger(check.last_good_s) ? `good ${duration(check.last_good_s * 1000)} ago` : "none good yet"]] : []),
    ...Object.entries(status.counters).map(([name, count]) => [words(name), String(count)]),
  ];
  $("facts").replaceChildren(...facts.flatMap(([name, text]) => [el("dt", { text: name }), el("dd", { text })]));
  const faults = JSON.stringify(status.faults);
  if (faults !== last) {
    last = faults;
    $("faults").replaceChildren(...(status.faults.length
      ? status.faults.map(({ fault, detail }) => el("li", { class: "error", "data-fault": fault, text: `${words(fault)}: ${detail}` }))
      : [el("li", { class: "good", text: "none" })]));
  }
  say($("version"), `callbox ${status.version}`);
}
