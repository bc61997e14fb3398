/**
 * The page's rows of the bars table, in headless Chromium: camera rate and input latency, cold
 * start, bytes. Prints a Markdown table and fails when a bar is missed.
 *
 *   npm --prefix web run bench
 *
 * Build the page first. What is measured is what a person meets: the camera is a film of one face;
 * the cold start goes by the page's own clock from the navigation to the first picture's label, in a
 * browser that is up but has never seen the page, with the picture handed over as soon as the page
 * takes one; bytes are counted by the server until the page works offline.
 *
 *   npm --prefix web run bench -- start [N]     only the cold start, N times, with its parts
 *   npm --prefix web run bench -- closer [N]    a large picture, looked at closer, N times
 */

import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { extname, join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { chromium } from "@playwright/test";

const project = resolve(import.meta.dirname, "../..");
const page = join(project, "src/masklens/server/page");
const example = join(project, "examples/pictures/astronaut-masked.jpg");
const SECONDS = 12;
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};

let sent = 0;
const server = createServer((request, response) => {
  const path = new URL(request.url, "http://x").pathname;
  const file = join(page, path.endsWith("/") ? `${path}index.html` : path);
  let content;
  try {
    content = readFileSync(file);
  } catch {
    response.writeHead(404).end();
    return;
  }
  const etag = `"${createHash("sha256").update(content).digest("hex").slice(0, 16)}"`;
  const type = TYPES[extname(file)];
  const headers = {
    "Content-Type": type ?? "application/octet-stream",
    "Cache-Control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
    ETag: etag,
  };
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  if (type !== undefined) {
    content = gzipSync(content);
    headers["Content-Encoding"] = "gzip";
  }
  sent += content.length;
  response.writeHead(200, headers).end(content);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${server.address().port}/`;

function launch(...more) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", ...more],
  });
}

/**
 * A browser that has never seen the page: milliseconds until the first label, when what happened,
 * and bytes until it works offline.
 */
async function coldStart() {
  const browser = await launch();
  const tab = await browser.newPage();
  await tab.addInitScript(handOver, readFileSync(example).toString("base64"));
  await new Promise((go) => setTimeout(go, 2000)); // the browser's own start is not the page's
  sent = 0;
  await tab.goto(url, { waitUntil: "commit" });
  await tab.waitForFunction(() => performance.getEntriesByName("label shown").length > 0);
  const first = sent;
  const marks = () =>
    performance
      .getEntriesByType("mark")
      .map(({ name, startTime }) => [performance.timeOrigin + startTime, name]);
  const times = (await Promise.all([tab, ...tab.workers()].map((place) => place.evaluate(marks)))).flat();
  const origin = await tab.evaluate(() => performance.timeOrigin);
  const parts = times.map(([at, name]) => [at - origin, name]).sort(([a], [b]) => a - b);
  const time = parts.find(([, name]) => name === "label shown")[0];
  await tab.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  await browser.close();
  return { time, parts, first, bytes: sent };
}

/** Runs in the page: choose a picture as soon as there is where, and note when its label is there. */
function handOver(base64) {
  const content = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  addEventListener("DOMContentLoaded", () => {
    const picked = new DataTransfer();
    picked.items.add(new File([content], "picture.jpg", { type: "image/jpeg" }));
    const picker = document.querySelector("#files");
    picker.files = picked.files;
    performance.mark("picture chosen");
    picker.dispatchEvent(new Event("change"));
    const look = () => {
      if (document.querySelector("#faces .chip") === null) return;
      watcher.disconnect();
      // Painted, and not only put into the document.
      requestAnimationFrame(() => setTimeout(() => performance.mark("label shown")));
    };
    const watcher = new MutationObserver(look);
    watcher.observe(document.querySelector("#faces"), { childList: true });
  });
}

/** A JPEG of the example in some places, each [x, y, side] in pixels; made by the browser. */
async function collage(tab, width, height, places) {
  const source = `data:image/jpeg;base64,${readFileSync(example).toString("base64")}`;
  const draw = async ([from, size, squares]) => {
    const image = new Image();
    image.src = from;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), size);
    const context = canvas.getContext("2d");
    for (const [x, y, side] of squares) context.drawImage(image, x, y, side, side);
    return canvas.toDataURL("image/jpeg", 0.92).split(",")[1];
  };
  return Buffer.from(await tab.evaluate(draw, [source, { width, height }, places]), "base64");
}

async function cameraFilm() {
  const browser = await launch();
  const tab = await browser.newPage();
  const jpeg = await collage(tab, 640, 480, [[80, 0, 480]]);
  await browser.close();
  mkdirSync(join(project, "out"), { recursive: true });
  const film = join(project, "out/bench.mjpeg");
  writeFileSync(film, Buffer.concat(Array(30).fill(jpeg)));
  return film;
}

/** Frames labelled a second with one face in view, and how long the page takes to answer a key. */
async function camera(film, view) {
  const browser = await launch(
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-video-capture=${film}`,
  );
  const context = await browser.newContext({ permissions: ["camera"], serviceWorkers: "block", ...view });
  const tab = await context.newPage();
  await tab.goto(`${url}#camera`);
  await tab.locator("#faces .chip").waitFor();
  await tab.waitForTimeout(4000); // the size is chosen in the first seconds
  const result = await tab.evaluate(async (seconds) => {
    // A frame's faces are drawn on the overlay, which is cleared first: that is counted.
    const overlay = document.querySelector("#overlay").getContext("2d");
    const clear = overlay.clearRect.bind(overlay);
    let frames = 0;
    overlay.clearRect = (...values) => {
      frames += 1;
      clear(...values);
    };
    const slider = document.querySelector("#threshold");
    const latencies = [];
    let touched = 0;
    const start = performance.now();
    while (performance.now() - start < seconds * 1000) {
      await new Promise((go) => setTimeout(go, 90 + Math.random() * 60));
      // From the event to the frame in which its effect is on the screen.
      const before = performance.now();
      await new Promise((go) => setTimeout(go));
      slider.value = String(0.3 + (touched % 2) * 0.02);
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      touched += 1;
      await new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
      latencies.push(performance.now() - before);
    }
    const elapsed = (performance.now() - start) / 1000;
    latencies.sort((a, b) => a - b);
    return {
      rate: (frames - touched) / elapsed, // each touch draws once, too
      median: latencies[latencies.length >> 1],
      high: latencies[Math.floor(latencies.length * 0.95)],
      worst: latencies.at(-1),
      side: document.querySelector("#rate").title,
    };
  }, SECONDS);
  await browser.close();
  return result;
}

/** A JPEG of 2,880 px with 16 faces of about 100 px. */
function largePicture(tab) {
  const places = Array.from({ length: 16 }, (_, i) => [(i % 4) * 720, (i >> 2) * 720, 512]);
  return collage(tab, 2880, 2880, places);
}

/** Seconds for a large picture as usual and looked at closer, and the page's memory in MB. */
async function closer() {
  const browser = await launch();
  const other = await browser.newPage();
  const buffer = await largePicture(other);
  await other.close();
  const tab = await browser.newPage({ serviceWorkers: "block" });
  const devtools = await browser.newBrowserCDPSession();
  /** Of the process that has the page: the largest one of its kind, now and at its largest so far. */
  const memory = async () => {
    const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
    const sizes = processInfo
      .filter(({ type }) => type === "renderer")
      .map(({ id }) => readFileSync(`/proc/${id}/status`, "utf8"))
      .map((text) => ["VmRSS", "VmHWM"].map((key) => Number(RegExp(`${key}:\\s+(\\d+)`).exec(text)[1]) / 1024));
    return sizes.sort(([a], [b]) => b - a)[0];
  };
  const seconds = async (start, done) => {
    const before = performance.now();
    await start();
    await tab.waitForFunction(done);
    return (performance.now() - before) / 1000;
  };
  await tab.goto(url);
  await tab.waitForSelector('body[data-engine="ready"]');
  await tab.waitForTimeout(4000); // the classifier is opened again
  const ready = await memory();
  const file = { name: "large.jpg", mimeType: "image/jpeg", buffer };
  const usual = await seconds(
    () => tab.locator("#files").setInputFiles(file),
    () => document.body.dataset.done === "1",
  );
  const first = await memory();
  const both = await seconds(
    () => tab.locator("#look-closer").click(),
    () => document.querySelector("#look-closer").hidden,
  );
  const said = await tab.locator("#closer-said").innerText();
  const last = await memory();
  await browser.close();
  return { usual, both, ready, first, last, said };
}

const [only, count] = process.argv.slice(2);
if (only === "closer") {
  for (let i = 0; i < Number(count ?? 3); i++) {
    const { usual, both, ready, first, last, said } = await closer();
    const megabytes = ([now, most]) => `${now.toFixed(0)} MB, at most ${most.toFixed(0)}`;
    console.log(
      `${said} Usual ${usual.toFixed(2)} s, both ${both.toFixed(2)} s. Memory when ready ` +
        `${megabytes(ready)}; after the usual size ${megabytes(first)}; after both ${megabytes(last)}.`,
    );
  }
  process.exit();
}
const starts = [];
for (let i = 0; i < Number(count ?? 5); i++) starts.push(await coldStart());
starts.sort((a, b) => a.time - b.time);
const start = starts[starts.length >> 1];
console.log(`Cold starts: ${starts.map(({ time }) => time.toFixed(0)).join(" ")} ms. The median one:\n`);
for (const [at, name] of start.parts) console.log(`${at.toFixed(0).padStart(6)} ms  ${name}`);
console.log();
if (only === "start") process.exit(start.time <= 2500 ? 0 : 1);
const film = await cameraFilm();
const desk = await camera(film, { viewport: { width: 1280, height: 860 } });
const phone = await camera(film, {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
});
server.close();

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
const rows = [
  ["camera, 640×480, one face", `${desk.rate.toFixed(1)} fps`, "≥ 15 fps", desk.rate >= 15],
  ["… the page answers meanwhile, 95th percentile", `${desk.high.toFixed(0)} ms (median ${desk.median.toFixed(0)}, worst ${desk.worst.toFixed(0)})`, "≤ 100 ms", desk.high <= 100],
  ["camera in a phone's viewport", `${phone.rate.toFixed(1)} fps`, "≥ 12 fps", phone.rate >= 12],
  ["cold start to the first labelled picture, median of 5", `${(start.time / 1000).toFixed(2)} s`, "≤ 2.5 s", start.time <= 2500],
  ["transferred by then", megabytes(start.first), "≤ 10 MB", start.first <= 1e7],
  ["transferred until it works offline", megabytes(start.bytes), "≤ 10 MB", start.bytes <= 1e7],
];
console.log("| what | measured | bar | |\n|---|---|---|---|");
for (const [what, value, bar, met] of rows) console.log(`| ${what} | ${value} | ${bar} | ${met ? "met" : "MISSED"} |`);
console.log(`\nDesk: ${desk.side} Phone: ${phone.side}`);
process.exitCode = rows.every(([, , , met]) => met) ? 0 : 1;
