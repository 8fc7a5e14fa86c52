// A newcomer with `callbox demo`: presses the drawn button in one tab, answers
// in another, talks, opens the door, hands the call over to a second phone.
//
//   node demo.mjs PANEL PHONE PICTURES FOLDER VOICE TONE  ->  one JSON object with what was seen
//
// VOICE is what the first phone's microphone hears, TONE the second one's.
// What each of the two heard goes to FOLDER, as WebM.
//
// Fails, with a reason, when something does not come within its time.

import { writeFileSync } from "node:fs";
import { PHONE, blinks, callIs, connected, faults, lamp, launch, open, overflow, push } from "./lib.mjs";

const [panelUrl, phoneUrl, pictures, folder, voice, tone] = process.argv.slice(2);
// Sent as it is heard: what is scored is the way, not what the browser does to a voice.
const plain = `${phoneUrl}?processing=off`;
const seen = { troubles: [], axe: [], bytes: 0 };
const browsers = [await launch(voice), await launch(tone)];
const phoneIs = (page, state) => page.waitForSelector(`body[data-state=${state}]`);
const picture = (page, name) => page.screenshot({ path: `${pictures}/${name}.png` });

// What the page's loudspeaker plays, for so long.
async function listen(page, ms, name) {
  const text = await page.evaluate(async (ms) => {
    const recorder = new MediaRecorder(document.querySelector("#sound").srcObject, { audioBitsPerSecond: 128000 });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const over = new Promise((resolve) => { recorder.onstop = resolve; });
    recorder.start();
    setTimeout(() => recorder.stop(), ms);
    await over;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
  }, ms);
  writeFileSync(`${folder}/${name}.webm`, Buffer.from(text, "base64"));
}

try {
  const tabs = await browsers[0].newContext({ viewport: { width: 1200, height: 860 } });
  const panel = await open(tabs, seen.troubles);
  const phone = await open(tabs, seen.troubles);
  const files = [];
  phone.on("response", (response) => {
    if (new URL(response.url()).origin !== new URL(phoneUrl).origin) seen.troubles.push(`a request to ${response.url()}`);
    files.push(response.body());
  });
  await phone.setViewportSize({ width: 420, height: 900 });
  await phone.goto(plain);
  await phoneIs(phone, "ready");
  seen.bytes = (await Promise.all(files)).reduce((sum, file) => sum + file.length, 0);
  await panel.goto(panelUrl);
  await connected(panel);
  await lamp(panel, "online", "on");

  // Pressed here, answered there.
  await push(panel, "call");
  await lamp(panel, "calling", "slow", "fast");
  await blinks(panel, "calling");
  await phoneIs(phone, "ringing");
  seen.caller = await phone.textContent("#who");
  await picture(phone, "phone-ringing");
  await phone.click("#answer");
  await phoneIs(phone, "in-call");
  await lamp(panel, "answered", "on");
  await callIs(panel, "in call");

  // Both ends listen, the box into its file: long enough for the three seconds to come
  // whole three times, so that one stumble of a busy machine spoils one of them only.
  await listen(phone, 12000, "first");
  seen.verdict = await phone.textContent("#verdict");
  seen.codec = await phone.textContent("#codec");
  await picture(phone, "phone");

  // Muted, the box plays nothing for longer than a speaker's pause; and again.
  const plays = (loud, ms) => panel.waitForFunction(({ loud, ms }) => {
    const level = Number(document.querySelector("[data-meter=playback_level_db] output").textContent);
    window.since = level > -50 === loud ? (window.since ?? performance.now()) : undefined;
    return window.since !== undefined && performance.now() - window.since >= ms;
  }, { loud, ms }, { polling: 50 });
  await plays(true, 0);
  await phone.click("#mute");
  await plays(false, 1500);
  await phone.click("#mute");
  await plays(true, 0);

  // The door's code on the keypad: three keys by pointer, the last by keyboard.
  for (const key of ["1", "3", "7"]) await phone.locator("#keys button", { hasText: key }).click();
  await phone.keyboard.press("9");
  await panel.waitForSelector("[data-output=strike][data-on=true]");
  await picture(panel, "door");
  await panel.waitForSelector("[data-output=strike][data-on=false]");

  // A second phone, small, in the dark, with a name of its own.
  const dark = await browsers[1].newContext({ ...PHONE, colorScheme: "dark", bypassCSP: true });
  const kitchen = await open(dark, seen.troubles);
  await kitchen.goto(plain);
  await phoneIs(kitchen, "ready");
  await kitchen.fill("#name", "Kitchen");
  await kitchen.press("#name", "Enter");
  await phone.click("text=Hand over to Kitchen");
  await phoneIs(kitchen, "handed");
  seen.handed = await kitchen.textContent("#state");
  seen.axe.push(...(await faults(kitchen, "a call is handed over, dark")));
  await kitchen.tap("#answer");
  await phoneIs(kitchen, "in-call");
  await phoneIs(phone, "ready");
  seen.moved = await phone.textContent("#notice");
  await listen(kitchen, 12000, "second");
  seen.axe.push(...(await faults(kitchen, "in a call, dark")));
  seen.overflow = [await overflow(kitchen)];
  await picture(kitchen, "phone-dark");
  seen.call = await panel.textContent("#call-state");
  await kitchen.tap("#hang-up");
  await callIs(panel, "idle");
  await panel.waitForFunction(() => /^[1-4]\.\d\d$/.test(document.querySelector("#calls tr td:nth-child(6)")?.textContent));

  // A phone calls the box, and is answered there.
  await phone.click("#dial");
  await lamp(panel, "calling", "fast");
  await panel.click("[data-act=answer]");
  await phoneIs(phone, "in-call");
  await panel.click("[data-act=hang-up]");
  await phoneIs(phone, "ready");

  // A wrong configuration, a right one, and back to the one before.
  const before = await panel.inputValue("#config");
  const wrong = before.replace('mode = "pipe"', 'mode = "pip"');
  await panel.fill("#config", wrong);
  await panel.click("#config-save");
  await panel.waitForSelector("#config-result .error");
  seen.refused = await panel.textContent("#config-result");
  await panel.fill("#config", before.replace("+4711111111", "+4733333333"));
  await panel.click("#config-save");
  await panel.waitForSelector("#config-result .good");
  seen.changed = (await panel.inputValue("#config")).includes("+4733333333");
  await panel.click("#config-previous");
  await panel.waitForFunction((text) => document.querySelector("#config").value === text, before);

  // For everybody, by day and in every width.
  for (const [name, options] of [["light", {}], ["small", PHONE]]) {
    const other = await open(await browsers[0].newContext({ bypassCSP: true, ...options }), seen.troubles);
    await other.goto(plain);
    await phoneIs(other, "ready");
    seen.axe.push(...(await faults(other, name)));
    seen.overflow.push(await overflow(other));
    await other.context().close();
  }
  console.log(JSON.stringify(seen));
} catch (error) {
  console.error(String(error), JSON.stringify(seen));
  process.exitCode = 1;
} finally {
  await Promise.all(browsers.map((browser) => browser.close()));
}
