// The configuration: shown, checked, changed.

import { $, el } from "./dom.js";
import { request } from "./api.js";

let revision = "";
let allowed = false;

export function listen(session) {
  $("config-load").addEventListener("click", load);
  $("config-check").addEventListener("click", () => send("POST", "/api/config/check", { text: $("config").value }, "No mistakes."));
  $("config-save").addEventListener("click", () => {
    const saved = "Saved; the previous one is kept as .bak. It takes effect at the next start.";
    send("PUT", "/api/config", { text: $("config").value, revision }, saved, load);
  });
  $("config-previous").addEventListener("click", () => {
    const back = "The previous one is back; press again to undo. It takes effect at the next start.";
    send("POST", "/api/config/previous", { revision }, back, load);
  });
  $("restart").addEventListener("click", () =>
    request("POST", "/api/restart").then(() => result("good", ["The box restarts."]), (error) => result("error", [error.message])));
  allowed = session.allow.config;
  $("config").readOnly = !allowed;
  for (const id of ["config-check", "config-save"]) $(id).disabled = !allowed;
  $("restart").disabled = !(allowed && session.restart);
  $("config-note").textContent = allowed
    ? "Secrets are shown as (hidden N); leave such a mark as it is to keep the secret."
    : "It can be changed here only with allow-config = true in [panel]. Secrets are hidden.";
  load();
}

async function load() {
  try {
    const shown = await request("GET", "/api/config");
    $("config-file").textContent = shown.file;
    $("config").value = shown.text;
    revision = shown.revision;
    $("config-previous").disabled = !(allowed && shown.previous);
  } catch (error) {
    result("error", [error.message]);
  }
}

async function send(method, path, body, well, then) {
  try {
    await request(method, path, body).then((checked) => {
      if (!checked.good) throw Object.assign(new Error("not good"), { body: checked });
    });
    result("good", [well]);
    await then?.();
  } catch (error) {
    const found = error.body?.diagnostics;
    result("error", found ? found.map((one) => `${one.file}:${one.line}:${one.column}: ${one.what}; ${one.cure}`) : [error.message]);
    if (found?.length) select(found[0]);
  }
}

// Shows the first mistake in the text.
function select({ line, column }) {
  const text = $("config");
  const start = text.value.split("\n").slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  text.setSelectionRange(start + column - 1, start + column);
  text.scrollTop = ((line - 4) * text.scrollHeight) / text.value.split("\n").length;
}

function result(kind, lines) {
  $("config-result").replaceChildren(...lines.map((text) => el("p", { class: kind, text })));
}
