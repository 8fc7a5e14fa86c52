// A newcomer at the web panel: looks, presses the drawn button, talks, hangs
// up, changes the configuration.
//
//   node newcomer.mjs URL PICTURES  ->  one JSON object with what was seen
//
// Fails, with a reason, when something does not come within its time.

import { PHONE, blinks, callIs, connected, faults, lamp, launch, open, overflow, push } from "./lib.mjs";

const [url, pictures] = process.argv.slice(2);
const seen = { troubles: [], bytes: 0 };
const browser = await launch();
const visit = async (options) =>
  open(await browser.newContext({ viewport: { width: 1200, height: 1900 }, ...options }), seen.troubles);

try {
  const page = await visit({ viewport: { width: 1200, height: 860 } });
  const own = new URL(url).origin;
  const files = [];
  page.on("response", (response) => {
    const { pathname, origin } = new URL(response.url());
    if (origin !== own) seen.troubles.push(`a request to ${origin}`);
    // The files of the page; what it says of the box is the box's.
    if (!pathname.startsWith("/api/")) files.push(response.body());
  });
  await page.goto(url);
  await connected(page);
  seen.bytes = (await Promise.all(files)).reduce((sum, file) => sum + file.length, 0);
  const painted = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  seen.first_paint_ms = [await page.evaluate(painted)];
  // The machine may have had other things to do.
  for (let again = 0; again < 4; again++) {
    await page.reload();
    await connected(page);
    seen.first_paint_ms.push(await page.evaluate(painted));
  }
  await lamp(page, "online", "on");
  seen.asks_for_password = await page.isVisible("#login");

  await push(page, "call");
  await lamp(page, "calling", "slow");
  await blinks(page, "calling");
  await lamp(page, "answered", "on");
  await page.waitForSelector("#timeline [data-what=first-audio]");
  seen.timeline = await page.locator("#timeline li").evaluateAll((lines) => lines.map((line) => line.dataset.what));
  await page.waitForFunction(() => Number(document.querySelector("[data-meter=capture_level_db] output").textContent) > -40);
  await page.waitForFunction(() => document.querySelector("[data-meter=playout_delay_ms] path").getAttribute("d").length > 40);
  seen.state_in_call = await page.textContent("#call-state");

  // In the call, with the keyboard alone.
  await page.locator("[data-act=mute]").focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-act=mute][aria-pressed=true]");
  await page.keyboard.press("Space");
  await page.waitForSelector("[data-act=mute][aria-pressed=false]");
  await page.fill("#digits", "5#");
  await page.press("#digits", "Enter");
  await page.waitForFunction(() => document.querySelector("#act-result").textContent === "done");
  await page.screenshot({ path: `${pictures}/panel.png` });
  await page.locator("[data-act=hang-up]").focus();
  await page.keyboard.press("Enter");
  await callIs(page, "idle");
  await page.waitForFunction(() => document.querySelector("#calls")?.textContent.includes("hung up here"));

  // The same button with the keyboard; a second press of the row's key ends it.
  await page.locator("[data-button=call]").focus();
  await page.keyboard.press("Enter", { delay: 120 });
  await lamp(page, "calling", "slow");
  await page.click("[data-act=hang-up]");
  await callIs(page, "idle");

  // The drawn door.
  await page.click("[data-act=open-door]");
  await page.waitForSelector("[data-output=strike][data-on=true]");
  await page.waitForSelector("[data-output=strike][data-on=false]");

  // The log, filtered.
  await page.selectOption("#log-kind", "button");
  const kinds = await page.locator("#log tr").evaluateAll((rows) => rows.map((row) => row.dataset.kind));
  seen.filtered = [...new Set(kinds)];
  seen.export_link = await page.getAttribute("#log-csv", "href");

  // A wrong configuration and a right one.
  const text = await page.inputValue("#config");
  seen.shows_secret = text.includes("1379");
  await page.fill("#config", `${text}\n[call]\nring-timeout = "soon"\n`);
  await page.click("#config-save");
  await page.waitForSelector("#config-result .error");
  seen.refused = await page.textContent("#config-result");
  await page.fill("#config", `${text}\n[call]\nring-timeout = "33s"\n`);
  await page.click("#config-save");
  await page.waitForSelector("#config-result .good");

  // For everybody, by day, by night, on a phone.
  seen.axe = [];
  for (const [name, options] of [["panel-light", {}], ["panel-dark", { colorScheme: "dark" }], ["panel-phone", PHONE]]) {
    const other = await visit({ bypassCSP: true, ...options });
    await other.goto(url);
    await connected(other);
    await lamp(other, "online", "on");
    await other.waitForSelector("#calls td");
    seen.axe.push(...(await faults(other, name)));
    seen[`${name}-overflow`] = await overflow(other);
    await other.screenshot({ path: `${pictures}/${name}.png` });
    await other.context().close();
  }
  console.log(JSON.stringify(seen));
} catch (error) {
  console.error(String(error), JSON.stringify(seen));
  process.exitCode = 1;
} finally {
  await browser.close();
}
