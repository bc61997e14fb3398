/** What the end-to-end tests share: pictures, a camera made of one, the network log, screenshots. */

import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { expect, type BrowserContext, type Page } from "@playwright/test";

export const PROJECT = resolve(import.meta.dirname, "../..");
export const PICTURES = join(PROJECT, "examples/pictures");
/** A face with a mask, with one badly worn, and with none. */
export const EXAMPLES = ["astronaut-masked.jpg", "astronaut-badly-worn.jpg", "astronaut.jpg"];
export const FILES = EXAMPLES.map((name) => join(PICTURES, name));
export const PYTHON = resolve(process.env.PYTHON ?? join(PROJECT, ".venv/bin/python"));
/** The bundle that the page was built with, when it is not the default one. */
export const BUNDLE =
  process.env.MASKLENS_BUNDLE === undefined ? undefined : resolve(process.env.MASKLENS_BUNDLE);
const SCREENS = join(PROJECT, "out/screens");

/** What the page says of a picture without its end. */
export const CUT_OFF = "The file was cut off: its end is missing. Copy or download it again.";

/** A phone's browser, for `newContext`. */
export const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

/** Arguments of every Chromium here: it runs as root, without a graphics card, and calls nobody. */
export const CHROMIUM = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Arguments that give Chromium a camera, or two of them, and allow them. */
export function cameraArguments(count = 1): string[] {
  return [
    ...CHROMIUM,
    "--use-fake-ui-for-media-stream",
    `--use-fake-device-for-media-stream=device-count=${count}`,
  ];
}

/** Arguments that make Chromium's camera show a JPEG: a film of the same frame again and again. */
export function filmArguments(film: string): string[] {
  return [...cameraArguments(), `--use-file-for-fake-video-capture=${film}`];
}

/** Write a film of one JPEG frame, as Chromium's fake camera reads it. */
export function writeFilm(jpeg: Uint8Array, name: string): string {
  const film = join(PROJECT, "out", name);
  mkdirSync(dirname(film), { recursive: true });
  writeFileSync(film, Buffer.concat(Array.from({ length: 30 }, () => jpeg)));
  return film;
}

/** A picture on a 640×480 canvas, as JPEG: made by the browser itself. */
export async function asCameraFrame(page: Page, file: string): Promise<Uint8Array> {
  const source = `data:image/jpeg;base64,${readFileSync(file).toString("base64")}`;
  const base64 = await page.evaluate(async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 640;
    canvas.height = 480;
    const context = canvas.getContext("2d")!;
    const scale = 480 / image.height;
    context.fillRect(0, 0, 640, 480);
    context.drawImage(image, (640 - image.width * scale) / 2, 0, image.width * scale, 480);
    return canvas.toDataURL("image/jpeg", 0.92).split(",")[1]!;
  }, source);
  return Buffer.from(base64, "base64");
}

/** What `canvasCamera` puts on the page as `window.camera`. */
export interface CanvasCamera {
  canvas: HTMLCanvasElement;
  /** Where the picture's left edge is on the canvas. */
  left: number;
  stream: MediaStream;
  /** How often it was opened. */
  opened: number;
}

/** A camera that shows a picture on a canvas, which a test may move, turn and take away. */
export async function canvasCamera(page: Page, file: string): Promise<void> {
  await page.addInitScript((base64) => {
    const image = new Image();
    image.src = `data:image/jpeg;base64,${base64}`;
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const context = canvas.getContext("2d")!;
    const camera = { canvas, left: 80, opened: 0 } as CanvasCamera;
    setInterval(() => {
      context.fillStyle = "#888";
      context.fillRect(0, 0, canvas.width, canvas.height);
      const side = Math.min(canvas.width, canvas.height);
      context.drawImage(image, camera.left, 0, side, side);
    }, 30);
    navigator.mediaDevices.getUserMedia = async () => {
      camera.opened += 1;
      camera.stream = canvas.captureStream(20);
      return camera.stream;
    };
    Object.assign(window, { camera });
  }, readFileSync(file).toString("base64"));
}

/** Every address that the page, its worker and its service worker ask for. */
export function networkLog(context: BrowserContext): string[] {
  const asked: string[] = [];
  context.on("request", (request) => asked.push(request.url()));
  return asked;
}

/** Nothing but the page's own origin was asked, and something was. */
export function expectOneOrigin(asked: readonly string[], page: Page): void {
  const origin = new URL(page.url()).origin;
  expect(asked.length).toBeGreaterThan(5);
  const foreign = asked.filter((url) => !url.startsWith(`${origin}/`) && !/^(blob|data):/.test(url));
  expect(foreign).toEqual([]);
}

/**
 * What the page or its worker try against the server's policy, as the browser reports it. Call it
 * before the page is opened; the function that it returns tells what was seen so far.
 */
export async function policyLog(page: Page): Promise<() => Promise<string[]>> {
  const listen = (): void => {
    const seen: string[] = [];
    Object.assign(globalThis, { policyBroken: seen });
    addEventListener("securitypolicyviolation", (event) => {
      const { effectiveDirective, blockedURI } = event as SecurityPolicyViolationEvent;
      seen.push(`${effectiveDirective}: ${blockedURI}`);
    });
  };
  const seen = (): string[] => (globalThis as unknown as { policyBroken: string[] }).policyBroken;
  await page.addInitScript(listen);
  page.on("worker", (worker) => void worker.evaluate(listen));
  return async () => [
    ...(await page.evaluate(seen)),
    ...(await Promise.all(page.workers().map((worker) => worker.evaluate(seen)))).flat(),
  ];
}

/** Drop files onto the page, as if from the desktop. */
export async function drop(page: Page, files: { name: string; content: Buffer }[]): Promise<void> {
  const encoded = files.map(({ name, content }) => ({ name, base64: content.toString("base64") }));
  await page.evaluate((items) => {
    const dataTransfer = new DataTransfer();
    for (const { name, base64 } of items) {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const type = name.endsWith(".png") ? "image/png" : "image/jpeg";
      dataTransfer.items.add(new File([bytes], name, { type }));
    }
    const options = { dataTransfer, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent("drop", options));
  }, encoded);
}

/** Drop a folder of this machine, which a page cannot make itself. */
export async function dropFolder(page: Page, folder: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
  }
}

export async function openPage(page: Page, path = "./"): Promise<void> {
  await page.goto(path);
  await expect(page.locator("body")).toHaveAttribute("data-engine", "ready", { timeout: 30_000 });
}

/** Hand files to the page and wait until as many are done. */
export async function pick(page: Page, files: string[], done = files.length): Promise<void> {
  await page.locator("#files").setInputFiles(files);
  await expect(page.locator("body")).toHaveAttribute("data-done", String(done), { timeout: 60_000 });
}

export async function screenshot(page: Page, name: string, fullPage = true): Promise<void> {
  await page.screenshot({ path: join(SCREENS, `${name}.png`), fullPage });
}

export interface FaceJson {
  box: [number, number, number, number];
  label: string;
  score: number;
  face_score: number;
  probabilities: Record<string, number>;
}

export interface PictureJson {
  file: string;
  width: number;
  height: number;
  time?: number;
  faces: FaceJson[];
}

/** What the page saves as JSON. */
export async function savedJson(page: Page): Promise<PictureJson[]> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("#save-json").click(),
  ]);
  return JSON.parse(readFileSync(await download.path(), "utf8")) as PictureJson[];
}

/** Move the threshold; the slider's lowest value by default. */
export async function setThreshold(page: Page, value: number): Promise<void> {
  await page.locator("#threshold").evaluate((slider: HTMLInputElement, to) => {
    slider.value = String(to);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }, value);
}

/** axe finds nothing serious on the page as it is now. */
export async function expectNothingSerious(page: Page): Promise<void> {
  const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  // Not as a script tag: the page's own policy forbids those.
  await page.evaluate(readFileSync(axe, "utf8"));
  const found = await page.evaluate(async () => {
    const { axe: runner } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await runner.run();
    return violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map((n) => n.html) }));
  });
  expect(found.filter(({ impact }) => ["serious", "critical"].includes(impact))).toEqual([]);
}
