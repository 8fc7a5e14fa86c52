// Ties the page together: log in if need be, then follow the box.

import { $, say } from "./dom.js";
import { follow, request, session } from "./api.js";
import * as front from "./front.js";
import * as call from "./call.js";
import * as meters from "./meters.js";
import * as health from "./health.js";
import * as log from "./log.js";
import * as calls from "./calls.js";
import * as config from "./config.js";

const connection = (text) => say($("connection"), text);

async function begin() {
  const now = await session();
  if (now.login === "needed") {
    connection("log in first");
    $("login").hidden = false;
    $("password").focus();
    return;
  }
  $("login").hidden = true;
  $("panel").hidden = false;
  $("logout").hidden = now.login !== "done";
  front.draw(await request("GET", "/api/board"), now.allow, (error) => say($("front-note"), error.message));
  meters.draw();
  call.listen(now);
  log.listen();
  config.listen(now);
  follow({
    connected(up, over) {
      connection(up ? "connected" : "the box does not answer");
      document.body.dataset.connected = String(up);
      // A session that is over does not come back by trying again.
      if (over) setTimeout(() => location.reload(), 3000);
    },
    status(status) {
      front.show(status);
      call.show(status);
      health.show(status);
    },
    meters: meters.show,
    log(entries) {
      call.log(entries);
      log.log(entries);
      calls.refresh();
    },
  });
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  say($("login-error"), "");
  try {
    await request("POST", "/api/login", { password: $("password").value });
    $("password").value = "";
    await begin();
  } catch (error) {
    say($("login-error"), error.message);
  }
});

$("logout").addEventListener("click", async () => {
  await request("POST", "/api/logout").catch(() => {});
  location.reload();
});

begin().catch((error) => connection(error.message));
