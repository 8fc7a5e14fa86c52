// What the walks through the pages share.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

// Debian's; `microphone` is a WAV file that it hears again and again.
export function launch(microphone) {
  const hears = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${microphone}`];
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-proxy-server", ...(microphone ? hears : [])],
  });
}

// Notes what goes wrong in a page.
export async function open(context, troubles) {
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on("pageerror", (error) => troubles.push(String(error)));
  // Chromium calls every refusal an error; the refused configuration is one.
  page.on("console", (line) => { if (line.type() === "error" && !line.text().includes("422")) troubles.push(line.text()); });
  return page;
}

// The panel has the box's first news.
export const connected = (page) => page.waitForSelector("body[data-connected=true]");
export const lamp = (page, name, ...patterns) =>
  page.waitForSelector(patterns.map((pattern) => `[data-lamp=${name}][data-pattern=${pattern}]`).join(","));
// The words under "Call" begin so.
export const callIs = (page, words) =>
  page.waitForFunction((words) => document.querySelector("#call-state").textContent.startsWith(words), words);

// Whether a lamp is seen both lit and dark.
export const blinks = (page, name) => page.waitForFunction((name) => {
  const lit = getComputedStyle(document.querySelector(`[data-lamp=${name}]`), "::before").opacity;
  window.litAndDark = { ...window.litAndDark, [lit]: true };
  return window.litAndDark[0] && window.litAndDark[1];
}, name, { polling: 20 });

// The drawn button, with a pointer.
export async function push(page, name) {
  const box = await page.locator(`[data-button=${name}]`).boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.waitForTimeout(150);
  await page.mouse.up();
}

// Serious faults of the page for people who cannot see, hear or point.
export async function faults(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`);
}

// By how much the page is wider than its screen. A phone's innerWidth would grow with the page.
export const overflow = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
