// The history of calls and how good they sounded.

import { $, el, duration } from "./dom.js";
import { request } from "./api.js";

let wanted = false;

// Once for many changes.
export function refresh() {
  if (wanted) return;
  wanted = true;
  setTimeout(async () => {
    wanted = false;
    const calls = await request("GET", "/api/calls").catch(() => []);
    $("calls").replaceChildren(...(calls.length ? calls.map(row) : [el("tr", {}, el("td", { colspan: 9, text: "no calls yet" }))]));
  }, 300);
}

function row(call) {
  const quality = call.quality;
  const cells = [
    call.time.slice(0, 19).replace("T", " "),
    `${call.direction === "incoming" ? "from" : "to"} ${call.peer ?? "unknown"}`,
    call.result ?? "goes on",
    call.answered ? duration(call.talked_ms) : "–",
    call.press_to_first_audio_ms === null ? "–" : duration(call.press_to_first_audio_ms),
    quality?.mos_cq ? quality.mos_cq.toFixed(2) : "–",
    quality ? `${(quality.concealed_ratio * 100).toFixed(1)} %` : "–",
    quality ? `${quality.jitter_ms.toFixed(1)} ms` : "–",
    quality ? `${quality.playout_delay_ms.toFixed(0)} ms` : "–",
  ];
  return el("tr", { "data-call": call.call_id }, ...cells.map((text) => el("td", { class: "num", text })));
}
