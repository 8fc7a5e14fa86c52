// A newcomer at the web panel: looks, presses the drawn button, talks, hangs
// up, changes the configuration.
//
//   node newcomer.mjs URL PICTURES  ->  one JSON object with what was seen
//
// Fails, with a reason, when something does not come within its time.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [url, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const seen = { troubles: [], bytes: 0 };
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-proxy-server"],
});

async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 1900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on("pageerror", (error) => seen.troubles.push(String(error)));
  // Chromium calls every refusal an error; the refused configuration is one.
  page.on("console", (line) => { if (line.type() === "error" && !line.text().includes("422")) seen.troubles.push(line.text()); });
  return page;
}

const opened = (page) => page.waitForSelector("body[data-connected=true]");
const lamp = (page, name, ...patterns) =>
  page.waitForSelector(patterns.map((pattern) => `[data-lamp=${name}][data-pattern=${pattern}]`).join(","));

// Serious faults of the page for people who cannot see, hear or point.
async function faults(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`);
}

// Whether a lamp is seen both lit and dark.
const blinks = (page, name) => page.waitForFunction((name) => {
  const lit = getComputedStyle(document.querySelector(`[data-lamp=${name}]`), "::before").opacity;
  window.litAndDark = { ...window.litAndDark, [lit]: true };
  return window.litAndDark[0] && window.litAndDark[1];
}, name, { polling: 20 });

try {
  const page = await open({ viewport: { width: 1200, height: 860 } });
  const own = new URL(url).origin;
  const files = [];
  page.on("response", (response) => {
    const { pathname, origin } = new URL(response.url());
    if (origin !== own) seen.troubles.push(`a request to ${origin}`);
    // The files of the page; what it says of the box is the box's.
    if (!pathname.startsWith("/api/")) files.push(response.body());
  });
  await page.goto(url);
  await opened(page);
  seen.bytes = (await Promise.all(files)).reduce((sum, file) => sum + file.length, 0);
  const painted = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  seen.first_paint_ms = [await page.evaluate(painted)];
  // The machine may have had other things to do.
  for (let again = 0; again < 4; again++) {
    await page.reload();
    await opened(page);
    seen.first_paint_ms.push(await page.evaluate(painted));
  }
  await lamp(page, "online", "on");
  seen.asks_for_password = await page.isVisible("#login");

  // The drawn button, with a pointer.
  const button = page.locator("[data-button=call]");
  const box = await button.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.waitForTimeout(150);
  await page.mouse.up();
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
  await page.waitForFunction(() => document.querySelector("#call-state").textContent === "idle");
  await page.waitForFunction(() => document.querySelector("#calls")?.textContent.includes("hung up here"));

  // The same button with the keyboard; a second press of the row's key ends it.
  await button.focus();
  await page.keyboard.press("Enter", { delay: 120 });
  await lamp(page, "calling", "slow");
  await page.click("[data-act=hang-up]");
  await page.waitForFunction(() => document.querySelector("#call-state").textContent === "idle");

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
  const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
  for (const [name, options] of [["panel-light", {}], ["panel-dark", { colorScheme: "dark" }], ["panel-phone", phone]]) {
    const other = await open({ bypassCSP: true, ...options });
    await other.goto(url);
    await opened(other);
    await lamp(other, "online", "on");
    await other.waitForSelector("#calls td");
    seen.axe.push(...(await faults(other)).map((fault) => `${name}: ${fault}`));
    seen[`${name}-overflow`] = await other.evaluate(() => document.documentElement.scrollWidth - innerWidth);
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
