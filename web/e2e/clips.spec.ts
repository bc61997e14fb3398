/** Clips from files: played, followed, saved frame by frame. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, type Page } from "@playwright/test";
import { PICTURES, canvasCamera, openPage, savedJson, screenshot, setThreshold } from "./support";

/** Film of the example picture that moves a little, recorded by the browser itself. */
async function recordClip(page: Page, frames: number, mimeType = "video/webm;codecs=vp8"): Promise<Buffer> {
  const picture = readFileSync(join(PICTURES, "astronaut.jpg")).toString("base64");
  const clip = await page.evaluate(async ([base64, count, type]) => {
    const content = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([content]));
    const canvas = Object.assign(document.createElement("canvas"), { width: 512, height: 512 });
    const context = canvas.getContext("2d")!;
    const recorder = new MediaRecorder(canvas.captureStream(15), { mimeType: type });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const ended = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (let i = 0; i < count; i++) {
      context.drawImage(bitmap, i, 0);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    recorder.stop();
    await ended;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }, [picture, frames, mimeType] as const);
  return Buffer.from(clip, "base64");
}

/** A second of silence in 8 bits: a WAV file, which is sound without a picture. */
function silence(): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + 8000, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8000, 24);
  header.writeUInt32LE(8000, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write("data", 36);
  header.writeUInt32LE(8000, 40);
  return Buffer.concat([header, Buffer.alloc(8000, 128)]);
}

async function openClip(page: Page, buffer: Buffer, name = "walk.webm"): Promise<void> {
  await page.locator("#files").setInputFiles({ name, mimeType: "video/webm", buffer });
}

/**
 * Wait for a clip's end, and before it for three frames that were looked at. It plays slowly until
 * then: how many would be looked at otherwise depends on the machine.
 */
async function playsToItsEnd(page: Page): Promise<void> {
  const video = page.locator("#video");
  const looked = async (): Promise<number> => {
    const frames = await savedJson(page);
    const now = await video.evaluate(({ currentTime }: HTMLVideoElement) => currentTime);
    // Not those of the round before, which stay until the first frame of this one.
    return frames.length > 0 && frames.at(-1)!.time! > now ? 0 : frames.length;
  };
  await expect.poll(looked).toBeGreaterThan(2);
  await setSpeed(page, 1);
  await expect.poll(() => video.evaluate(({ ended }: HTMLVideoElement) => ended)).toBe(true);
}

/** How fast clips play, the one that is open and those that will be. */
async function setSpeed(page: Page, speed: number): Promise<void> {
  await page.locator("#video").evaluate((video: HTMLVideoElement, to) => {
    video.defaultPlaybackRate = video.playbackRate = to;
  }, speed);
}

const SLOW = 0.1;

test("a clip plays with labels; what was seen stays until it is played again, and follows the threshold", async ({ page }) => {
  await openPage(page);
  const clip = await recordClip(page, 30);
  await setSpeed(page, SLOW);
  await openClip(page, clip);
  await expect(page.locator("#faces .chip")).toHaveText(["No mask"]);
  await expect(page.locator("#counts dd")).toHaveText(["0", "0", "1"]);
  await screenshot(page, "clip-light");
  const video = page.locator("#video");
  const ended = (): Promise<boolean> => video.evaluate((element: HTMLVideoElement) => element.ended);
  await playsToItsEnd(page);
  const seen = "0 % compliant: 0 of 1 seen";
  await expect(page.locator("#status")).toHaveText(/^1 face: no mask \d+ %$/);
  await expect(page.locator("#share")).toHaveText(seen);
  await expect(page.locator("#seek")).toHaveAttribute("aria-valuetext", /^(\d\.\d) of \1 seconds$/);
  const frames = await savedJson(page);
  expect(frames.length).toBeGreaterThan(2);
  expect(frames.every(({ time }) => typeof time === "number")).toBe(true);
  // Neither what is chosen already nor the camera, which there is none of, takes it away.
  await page.locator("#mode-pictures").click();
  await page.locator(".item").click();
  expect(await ended()).toBe(true);
  await page.locator("#mode-camera").click();
  await page.locator("#stop").click();
  await expect(page.locator("#faces .number")).toHaveText(["1"]); // looked at, not followed
  expect(await savedJson(page)).toEqual(frames);

  await setThreshold(page, 0.98);
  await expect(page.locator("#share")).toHaveText("No faces yet.");
  expect((await savedJson(page)).flatMap(({ faces }) => faces)).toEqual([]);
  await page.getByRole("button", { name: "default" }).click();
  await expect(page.locator("#share")).toHaveText(seen);

  // Played twice, the second time from the end on: what is kept is one round, and one person.
  for (let round = 0; round < 2; round++) {
    await setSpeed(page, SLOW);
    await page.locator("#play").click();
    await expect.poll(ended).toBe(false);
    await playsToItsEnd(page);
  }
  const times = (await savedJson(page)).map(({ time }) => time!);
  expect(times.length).toBeGreaterThan(2);
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  await expect(page.locator("#share")).toHaveText(seen);

  // One of which only the sound can be played.
  await openClip(page, silence());
  await expect(page.locator("#notice")).toHaveText(
    "This browser cannot play this video. Try MP4 with H.264, or WebM.",
  );
});

test("a clip that breaks off says where, keeps what was seen, and plays again from its beginning", async ({ page }) => {
  await openPage(page);
  const whole = await recordClip(page, 60, "video/mp4;codecs=vp9");
  await setSpeed(page, 0.5); // a face that is not looked at for three seconds would be another one
  await openClip(page, whole.subarray(0, whole.length * 0.7), "walk.mp4");
  const video = page.locator("#video");
  for (let round = 0; round < 2; round++) {
    await expect(page.locator("#notice")).toHaveText(/^The video cannot be played beyond \d\.\d s\.$/);
    await expect(page.locator("#play")).toHaveText("Play");
    await expect(page.locator("#share")).toHaveText("0 % compliant: 0 of 1 seen");
    const times = (await savedJson(page)).map(({ time }) => time!);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    if (round > 0) break;
    const playing = video.evaluate((element) => new Promise<void>((resolve) => (element.onplaying = () => resolve())));
    await page.locator("#play").click();
    await playing;
  }
  // It can be looked at in another place, too.
  await page.locator("#seek").press("Home");
  await expect.poll(() => video.evaluate(({ error }: HTMLVideoElement) => error)).toBeNull();
});

test("a recording that does not say how long it is shows the time, and can be moved in once it was played", async ({ page }) => {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await openPage(page);
  const recording = await recordClip(page, 100); // the end of a short one is known from the beginning on
  // Its duration (EBML's element 4489) becomes one to be skipped (ec), a byte shorter in its name.
  const place = recording.indexOf(Buffer.from([0x44, 0x89]));
  recording.set([0xec, recording[place + 2]! + 1], place);
  await openClip(page, recording);
  await expect(page.locator("#time")).toHaveText(/^[1-9]\d*\.\d s$/);
  await expect(page.locator("#seek")).toBeDisabled();
  // It plays as long as it took to be recorded, which a busy machine draws out.
  await page.locator("#video").evaluate(
    (video: HTMLVideoElement) =>
      new Promise<void>((resolve) => (video.ended ? resolve() : (video.onended = () => resolve()))),
  );
  await expect(page.locator("#time")).toHaveText(/^(\d+\.\d) \/ \1 s$/);
  await page.locator("#seek").press("Home");
  await expect(page.locator("#time")).toHaveText(/^0\.0 \//);
  expect(errors).toEqual([]);
});

test("a clip that the camera is chosen over is let go of", async ({ page }) => {
  await page.addInitScript(() => {
    const seen = { polls: 0 };
    const { requestVideoFrameCallback: ask } = HTMLVideoElement.prototype;
    HTMLVideoElement.prototype.requestVideoFrameCallback = function (call) {
      seen.polls += 1;
      return ask.call(this, call);
    };
    Object.assign(window, { seen });
  });
  await canvasCamera(page, join(PICTURES, "astronaut-masked.jpg"));
  await openPage(page);
  const clip = (await recordClip(page, 10)).toString("base64");
  await page.evaluate((base64) => {
    const transfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], "walk.webm", { type: "video/webm" }));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
    return new Promise<void>((resolve) => {
      const look = (): void => {
        // The clip is opened, but not there yet.
        if (!(document.getElementById("video") as HTMLVideoElement).src) return void setTimeout(look);
        document.getElementById("mode-camera")!.click();
        resolve();
      };
      look();
    });
  }, clip);
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await page.locator("#clear").click();
  const polls = await page.evaluate(async () => {
    const { seen } = window as unknown as { seen: { polls: number } };
    const wait = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));
    await wait(300);
    seen.polls = 0;
    await wait(300);
    return seen.polls;
  });
  expect(polls).toBe(0);
});
