// What a page weighs and when it is first painted: five fresh visits.
//
//   node paint.mjs URL  ->  one line

import { launch } from "./lib.mjs";

const [url] = process.argv.slice(2);
const browser = await launch();
const paints = [];
let bytes = 0;
try {
  for (let visit = 0; visit < 5; visit++) {
    const page = await (await browser.newContext()).newPage();
    const files = [];
    page.on("response", (response) => {
      if (!new URL(response.url()).pathname.startsWith("/api/")) files.push(response.body());
    });
    await page.goto(url);
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length);
    paints.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
    await page.waitForLoadState("load");
    bytes = (await Promise.all(files)).reduce((sum, file) => sum + file.length, 0);
    await page.context().close();
  }
} finally {
  await browser.close();
}
console.log(`${(bytes / 1000).toFixed(0)} kB; first paint ${paints.map((ms) => `${ms.toFixed(0)} ms`).join(", ")}`);
