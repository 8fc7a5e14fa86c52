// The event log with its filter; the links take the same choice away as a file.

import { $, el, words } from "./dom.js";

const KEPT = 500;
const KINDS = ["button", "session", "call", "step", "fault-raised", "fault-cleared", "ignored", "refused", "door", "self-test", "do-not-disturb"];
let entries = [];

export function listen() {
  $("log-kind").append(...KINDS.map((kind) => el("option", { value: kind, text: words(kind) })));
  $("log-filter").addEventListener("submit", (event) => event.preventDefault());
  $("log-filter").addEventListener("input", redraw);
}

function chosen() {
  const kind = $("log-kind").value;
  const text = $("log-text").value.toLowerCase();
  return (entry) => (!kind || entry.kind === kind) && entry.text.toLowerCase().includes(text);
}

function redraw() {
  $("log").replaceChildren(...entries.filter(chosen()).reverse().map(row));
  const query = new URLSearchParams();
  if ($("log-kind").value) query.set("kind", $("log-kind").value);
  if ($("log-text").value) query.set("text", $("log-text").value);
  for (const format of ["jsonl", "csv"]) $(`log-${format}`).href = `/api/events.${format}${query.size ? `?${query}` : ""}`;
}

function row(entry) {
  const time = el("time", { datetime: entry.time, text: entry.time.slice(11, 23) });
  return el("tr", { "data-kind": entry.kind }, el("td", { class: "num" }, time), el("td", { text: words(entry.kind) }), el("td", { text: entry.text }));
}

export function log(fresh) {
  if (!fresh.length) return;
  // A new run of the box begins at one again.
  if (entries.length && fresh[0].seq <= entries.at(-1).seq) entries = [];
  entries.push(...fresh);
  entries = entries.slice(-KEPT);
  redraw();
}
