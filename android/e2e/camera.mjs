/**
 * Shows a camera's picture to the page of the app, in a browser as wide as a phone, until the page
 * has labelled a face; then watches its speed, takes a screenshot and saves the picture. The pages
 * and models come from the running app (PageServer), never from a network or a folder.
 *
 *   node camera.mjs http://127.0.0.1:PORT FILM.mjpeg OUT light|dark
 *
 * prints one line of JSON: labels, frames per second each second, requests, what went wrong.
 */

import { copyFileSync } from "node:fs";
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../web/package.json", import.meta.url))("@playwright/test");

const [app, film, out, colorScheme] = process.argv.slice(2);
const ORIGIN = "https://appassets.androidplatform.net";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-video-capture=${film}`,
    // WebView has none, whatever headers are sent.
    "--disable-features=SharedArrayBuffer",
  ],
});
const result = { requests: [], foreign: [], errors: [], calls: [] };
try {
  const context = await browser.newContext({
    viewport: { width: 412, height: 860 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
    colorScheme,
    serviceWorkers: "block", // they would ask past the app's client
    permissions: ["camera"],
  });
  await context.route("**/*", async (route) => {
    const request = route.request();
    const url = request.url();
    if (url.startsWith("blob:") || url.startsWith("data:")) return route.continue();
    if (!url.startsWith(`${ORIGIN}/`)) result.foreign.push(url);
    const answer = await fetch(`${app}/page`, { method: request.method(), headers: { "X-Url": url } });
    result.requests.push([url.replace(ORIGIN, ""), answer.status, answer.headers.get("content-type")]);
    const headers = Object.fromEntries(answer.headers);
    for (const name of ["transfer-encoding", "connection", "date"]) delete headers[name];
    return route.fulfill({ status: answer.status, headers, body: Buffer.from(await answer.arrayBuffer()) });
  });
  // The bridge: what the page hands over goes to the app's own.
  await context.exposeFunction("masklensCall", async (name, ...values) => {
    result.calls.push([name, ...values.map((value) => (typeof value === "string" ? value.slice(0, 60) : value))]);
    if (name === "save") {
      const answer = await fetch(`${app}/save`, { method: "POST", body: values.join("\n") });
      const text = await answer.text();
      if (answer.ok) copyFileSync(text, `${out}.kept`); // the app's own folder ends with it
      result.saved = { status: answer.status, file: answer.ok ? `${out}.kept` : text };
    }
  });
  await context.addInitScript(() => {
    const call = (name) => (...values) => void window.masklensCall(name, ...values);
    window.masklensHost = { save: call("save"), share: call("share"), keepScreenOn: call("keepScreenOn") };
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => result.errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") result.errors.push(message.text());
  });
  await page.goto(await (await fetch(`${app}/start`)).text());
  await page.locator("#faces .face").first().waitFor({ timeout: 60_000 });
  // The first seconds compile everything and find the size that this machine can look at.
  result.rates = [];
  for (let second = 0; second < 12; second++) {
    await page.waitForTimeout(1_000);
    result.rates.push(parseFloat(await page.locator("#rate").innerText()) || 0);
  }
  result.isolated = await page.evaluate(() => crossOriginIsolated);
  result.labels = await page
    .locator("#faces .face")
    .evaluateAll((faces) => faces.map((face) => face.className.replace("face", "").trim()));
  result.counts = await page.locator("#counts").innerText();
  await page.screenshot({ path: `${out}.png` });
  await page.locator("#save-frame").click(); // the one on a phone's screen: the panel is below it
  for (let i = 0; i < 50 && result.saved === undefined; i++) await page.waitForTimeout(100);

  // To the pictures, and back to the camera with the phone's button.
  await page.locator("#mode-pictures").click();
  result.left = await page.evaluate(() => document.body.dataset.view);
  const script = await (await fetch(`${app}/back`, { headers: { "X-Url": page.url() } })).text();
  await page.evaluate(script);
  await page.locator("body[data-view=camera] #faces .face").first().waitFor({ timeout: 30_000 });
  result.returned = page.url();
} catch (error) {
  result.errors.push(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify(result));
