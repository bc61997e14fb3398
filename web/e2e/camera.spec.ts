/** The camera, played by a film that is made of a picture. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium, expect, test, type Browser } from "@playwright/test";
import {
  PHONE,
  PICTURES,
  asCameraFrame,
  cameraArguments,
  canvasCamera,
  expectOneOrigin,
  filmArguments,
  networkLog,
  openPage,
  pick,
  savedJson,
  screenshot,
  writeFilm,
  type CanvasCamera,
} from "./support";

const ASTRONAUT = join(PICTURES, "astronaut-masked.jpg");

/** The astronaut's face, by eye, in the picture of 512 pixels. */
const FACE_LEFT = 176;

let browser: Browser;

function launch(args: string[]): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}

test.beforeAll(async ({ browser: plain }) => {
  const page = await plain.newPage();
  const frame = await asCameraFrame(page, ASTRONAUT);
  await page.close();
  browser = await launch(filmArguments(writeFilm(frame, "camera.mjpeg")));
});

test.afterAll(() => browser.close());

test("camera on, labels on the picture, mirrored; freeze and save", async ({ baseURL }) => {
  const context = await browser.newContext({ baseURL: baseURL!, permissions: ["camera"] });
  const asked = networkLog(context);
  const page = await context.newPage();
  await openPage(page);
  await page.locator("#mode-camera").click();
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await expect(page.locator("#frame")).toHaveClass(/mirrored/);
  await expect(page.locator("#counts dd")).toHaveText(["1", "0", "0"]);
  await expect(page.locator("#rate")).toHaveText(/\d fps/);
  await screenshot(page, "camera-light");
  await expect(page.locator("#save-frame")).toBeHidden(); // the panel with its buttons is beside it
  // The box lies where the mirrored face is: the astronaut's is left of the middle, so right of it.
  const green = await page.locator("#overlay").evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    const columns: number[] = [];
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 200) columns.push(((i - 3) / 4) % canvas.width);
    return columns.reduce((a, b) => a + b, 0) / columns.length / canvas.width;
  });
  expect(green).toBeGreaterThan(0.5);
  // Told to those who do not see it, and not all the time.
  const status = page.locator("#status");
  await expect(status).toHaveText("100 % compliant: 1 of 1 seen");
  await page.locator("#freeze").click();
  await expect(page.locator("#freeze")).toHaveText("Go on");
  await expect(page.locator("#freeze")).not.toHaveAttribute("aria-pressed"); // "Go on, pressed" would be wrong
  await expect(status).toHaveText(/^1 face: mask \d+ %$/);
  const [saved] = await savedJson(page);
  expect(saved?.faces[0]?.label).toBe("with_mask");
  expect([saved?.width, saved?.height]).toEqual([640, 480]);
  const [picture] = await Promise.all([page.waitForEvent("download"), page.locator("#save-picture").click()]);
  expect(picture.suggestedFilename()).toMatch(/^camera-.*\.jpg$/);
  // The link for those without a mouse leads to the camera's picture, not away from it.
  await page.getByText("Skip to the picture").press("Enter");
  await expect(page.locator("#stage")).toBeFocused();
  await expect(page.locator("body")).toHaveAttribute("data-view", "camera");
  await page.locator("#stop").click();
  await expect(page.locator("#start")).toBeVisible();
  expectOneOrigin(asked, page);
  await context.close();
});

test("#camera on a phone starts at once; the app's bridge is used", async ({ baseURL }) => {
  const context = await browser.newContext({
    ...PHONE,
    baseURL: baseURL!,
    permissions: ["camera"],
    colorScheme: "dark",
  });
  const page = await context.newPage();
  await page.addInitScript(() => {
    const devices = navigator.mediaDevices;
    const list = devices.enumerateDevices.bind(devices);
    // A phone has two cameras.
    devices.enumerateDevices = async () => [...(await list()), ...(await list())];
    const calls: unknown[] = [];
    Object.assign(window, {
      calls,
      masklensHost: {
        save: (name: string, mime: string, base64: string) => calls.push(["save", name, mime, base64.length]),
        share: (name: string, mime: string) => calls.push(["share", name, mime]),
        keepScreenOn: (on: boolean) => calls.push(["keepScreenOn", on]),
      },
    });
  });
  await openPage(page, "./#camera");
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await screenshot(page, "phone-camera-dark", false);
  // All of the camera's buttons are on the screen, whichever way the phone is held.
  for (const [width, height] of [[390, 844], [320, 640], [844, 390]] as const) {
    await page.setViewportSize({ width, height });
    for (const id of ["flip", "freeze", "stop", "save-frame", "share-frame"]) {
      await expect(page.locator(`#${id}`)).toBeInViewport({ ratio: 1 });
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    if (width > height) await screenshot(page, "phone-camera-lying", false);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  await page.locator("#save-frame").click();
  await page.locator("#share-frame").click();
  await page.locator("#stop").click();
  const called = () => page.evaluate(() => (window as unknown as { calls: unknown[][] }).calls);
  await expect
    .poll(async () => (await called()).map(([name]) => name).sort())
    .toEqual(["keepScreenOn", "keepScreenOn", "save", "share"]);
  const calls = await called();
  expect(calls.find(([name]) => name === "save")?.slice(2, 3)).toEqual(["image/jpeg"]);
  await context.close();
});

test("Switch takes a computer's other camera, and back", async ({ baseURL }) => {
  const two = await launch(cameraArguments(2));
  const page = await two.newPage({ baseURL: baseURL!, permissions: ["camera"] });
  await page.addInitScript(() => {
    // A laptop's own camera may say that it looks at the person; one that is plugged in does not.
    const { getSettings } = MediaStreamTrack.prototype;
    MediaStreamTrack.prototype.getSettings = function () {
      const settings = getSettings.call(this);
      return this.label === "fake_device_0" ? { ...settings, facingMode: "user" } : settings;
    };
  });
  await openPage(page, "./#camera"); // the camera waits for the models
  const camera = (): Promise<string | undefined> =>
    page.locator("#video").evaluate((video: HTMLVideoElement) => {
      const stream = video.srcObject as MediaStream | null;
      return stream?.getVideoTracks()[0]?.label;
    });
  // A frame of the camera that is open now; the speed's display may be that of the one before.
  const looked = async (): Promise<void> => {
    await expect.poll(async () => (await savedJson(page)).length).toBe(1);
  };
  for (const number of [0, 1, 0]) {
    await expect.poll(camera).toBe(`fake_device_${number}`);
    await looked();
    await expect(page.locator("#frame")).toHaveClass(/mirrored/);
    await page.locator("#flip").click();
  }
  await expect.poll(camera).toBe("fake_device_1");
  await looked();
  // One that is unplugged before it is chosen: there is another.
  await page.evaluate(() => {
    const gone = { kind: "videoinput", deviceId: "gone" } as MediaDeviceInfo;
    navigator.mediaDevices.enumerateDevices = async () => [gone, gone];
  });
  for (let i = 0; i < 2; i++) {
    await page.locator("#flip").click();
    await expect.poll(camera).toBe("fake_device_0");
  }
  await looked();
  await expect(page.locator("#notice")).toBeHidden();
  await two.close();
});

test("a camera that is refused is one sentence", async ({ page }) => {
  await openPage(page, "./#camera");
  await expect(page.locator("#notice")).toHaveText(/^(The camera was not allowed|No camera was found)/);
  await screenshot(page, "camera-refused");
});

test("a camera that answers too late is let go of", async ({ baseURL }) => {
  const context = await browser.newContext({ baseURL: baseURL!, permissions: ["camera"] });
  const page = await context.newPage();
  await page.addInitScript(() => {
    const devices = navigator.mediaDevices;
    const open = devices.getUserMedia.bind(devices);
    const asked = new Promise<void>((allow) => Object.assign(window, { allow }));
    devices.getUserMedia = async (wish) => {
      await asked;
      const stream = await open(wish);
      Object.assign(window, { late: stream });
      return stream;
    };
  });
  await openPage(page, "./#camera");
  await page.locator("#mode-pictures").click();
  await page.evaluate(() => (window as unknown as { allow(): void }).allow());
  const state = (): Promise<string[] | undefined> =>
    page.evaluate(() => {
      const { late } = window as unknown as { late?: MediaStream };
      return late?.getTracks().map(({ readyState }) => readyState);
    });
  await expect.poll(state).toEqual(["ended"]);
  await expect(page.locator("body")).toHaveAttribute("data-view", "start");
  await context.close();
});

test("the screen stays on while the camera runs, and no longer", async ({ page }) => {
  await page.addInitScript(() => {
    const locks = { asked: 0, held: 0 };
    const request = async (): Promise<object> => {
      locks.asked += 1;
      await new Promise((resolve) => setTimeout(resolve, 500));
      locks.held += 1;
      return { release: async () => (locks.held -= 1) };
    };
    Object.defineProperty(navigator, "wakeLock", { value: { request } });
    Object.assign(window, { locks });
  });
  await canvasCamera(page, ASTRONAUT);
  await openPage(page);
  const locks = (): Promise<object> =>
    page.evaluate(() => (window as unknown as { locks: { asked: number; held: number } }).locks);
  await page.locator("#mode-camera").click();
  // Stopped before the browser has given its lock.
  await page.evaluate(async () => {
    const { locks: seen } = window as unknown as { locks: { asked: number } };
    while (seen.asked === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    document.getElementById("stop")!.click();
    await new Promise((resolve) => setTimeout(resolve, 700));
  });
  expect(await locks()).toEqual({ asked: 1, held: 0 });
  await page.locator("#mode-camera").click();
  await expect.poll(locks).toEqual({ asked: 2, held: 1 });
  await page.locator("#stop").click();
  await expect.poll(locks).toEqual({ asked: 2, held: 0 });
});

test("a turned phone keeps its boxes on the faces and counts nobody twice; an unplugged camera comes back; a moving one is saved", async ({ page }) => {
  await canvasCamera(page, ASTRONAUT);
  await openPage(page, "./#camera");
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  // A face that moves keeps the focus, and the counts stay where a screen reader reads them.
  const face = page.locator("#faces button");
  await face.focus();
  const count = (await page.locator("#counts dd").first().elementHandle())!;
  await page.evaluate(async () => {
    const { camera } = window as unknown as { camera: CanvasCamera };
    for (let i = 0; i < 20; i++) {
      camera.left += 2;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  });
  await expect(face).toBeFocused();
  expect(await count.evaluate(({ isConnected }) => isConnected)).toBe(true);
  await page.evaluate(() => {
    const { camera } = window as unknown as { camera: CanvasCamera };
    Object.assign(camera.canvas, { width: 480, height: 640 });
    camera.left = 0;
  });
  await expect(page.locator("#faces .number")).toHaveText(["#2"]);
  const ratio = await page.locator("#frame").evaluate(({ clientWidth, clientHeight }) => clientWidth / clientHeight);
  expect(ratio).toBeCloseTo(0.75, 2);
  await expect(page.locator("#counts dd")).toHaveText(["1", "0", "0"]);
  const [saved] = await savedJson(page);
  expect([saved?.width, saved?.height]).toEqual([480, 640]);

  // Taken away and put in again; what was frozen before stays.
  const takeAway = (): Promise<void> =>
    page.evaluate(() => {
      const [track] = (window as unknown as { camera: CanvasCamera }).camera.stream.getTracks();
      track!.stop();
      track!.dispatchEvent(new Event("ended"));
    });
  await page.locator("#freeze").click();
  await takeAway();
  await expect(page.locator("#notice")).toBeHidden();
  const [still] = await Promise.all([page.waitForEvent("download"), page.locator("#save-picture").click()]);
  expect(still.suggestedFilename()).toMatch(/^camera-.*\.jpg$/);
  expect((await savedJson(page))[0]?.faces).toHaveLength(1);
  await page.locator("#freeze").click();
  await expect.poll(() => page.locator("#video").evaluate(({ paused }: HTMLVideoElement) => paused)).toBe(false);
  await takeAway();
  await expect(page.locator("#notice")).toHaveText("The camera was taken away.");
  await expect(page.locator("#save-picture")).toBeDisabled();
  await page.locator("#mode-camera").click();
  await expect(page.locator("#notice")).toBeHidden();
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  expect(await page.evaluate(() => (window as unknown as { camera: CanvasCamera }).camera.opened)).toBe(3);

  // A picture of a camera that moves has its boxes on the faces.
  await page.evaluate(() => {
    const { camera } = window as unknown as { camera: CanvasCamera };
    // To and fro at 400 pixels a second.
    setInterval(() => (camera.left = 10 + Math.abs(((performance.now() * 0.4) % 280) - 140)), 10);
  });
  for (let i = 0; i < 2; i++) {
    const [picture] = await Promise.all([page.waitForEvent("download"), page.locator("#save-picture").click()]);
    const jpeg = readFileSync(await picture.path()).toString("base64");
    const left = await page.evaluate(async (base64) => {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${base64}`;
      await image.decode();
      const context = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
      context.drawImage(image, 0, 0);
      const columns = (top: number, height: number, fits: (rgb: number[]) => boolean): number =>
        Array.from({ length: image.width }, (_, x) => context.getImageData(x, top, 1, height).data).findIndex(
          (data) => Array.from({ length: height }, (_, y) => [...data.slice(y * 4, y * 4 + 3)]).some(fits),
        );
      const differs = (rgb: number[], from: number[]): number =>
        rgb.reduce((sum, value, k) => sum + Math.abs(value - from[k]!), 0);
      // From the picture's left edge, at its foot, to the box's, in the colour of masks.
      const edge = columns(400, 80, (rgb) => differs(rgb, [136, 136, 136]) > 90);
      return columns(0, 480, (rgb) => differs(rgb, [40, 200, 140]) < 40) - edge;
    }, jpeg);
    expect(Math.abs(left - (FACE_LEFT * 480) / 512)).toBeLessThan(16);
  }
});

test("Back leads from the camera to what was there before, however often it was opened", async ({ page }) => {
  await canvasCamera(page, ASTRONAUT);
  await openPage(page);
  const view = page.locator("body");
  const runs = (): Promise<boolean> =>
    page.evaluate(() => (window as unknown as { camera: CanvasCamera }).camera.stream.active);
  for (const button of ["#mode-camera", "#stop", "#mode-camera"]) {
    await page.locator(button).click();
    await expect.poll(runs).toBe(button === "#mode-camera");
  }
  await page.goBack();
  await expect(view).toHaveAttribute("data-view", "start");
  expect(await runs()).toBe(false);
  await page.goForward();
  await expect(view).toHaveAttribute("data-view", "camera");
  await pick(page, [ASTRONAUT]);
  await page.locator("#mode-camera").click();
  await expect.poll(runs).toBe(true);
  await page.goBack();
  await expect(view).toHaveAttribute("data-view", "picture");
  await expect(page.locator(".item .badge")).toHaveText(["1 face"]);
});

test("a camera is let go of before it ends: WebKitGTK hangs otherwise", async ({ page }) => {
  await canvasCamera(page, ASTRONAUT);
  await page.addInitScript(() => {
    const { stop } = MediaStreamTrack.prototype;
    MediaStreamTrack.prototype.stop = function () {
      const { srcObject } = document.getElementById("video") as HTMLVideoElement;
      Object.assign(window, { shownAtItsEnd: srcObject !== null });
      stop.call(this);
    };
  });
  await openPage(page, "./#camera");
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await page.locator("#stop").click();
  expect(await page.evaluate(() => (window as unknown as { shownAtItsEnd?: boolean }).shownAtItsEnd)).toBe(false);
});

test("who was counted stays counted while the page is hidden, and so does a frozen picture", async ({ page }) => {
  await canvasCamera(page, ASTRONAUT);
  await openPage(page, "./#camera");
  const share = page.locator("#share");
  const faces = page.locator("#faces li");
  await expect(share).toHaveText("100 % compliant: 1 of 1 seen");
  await expect(page.locator("#flip")).toBeHidden(); // there is no other
  const put = (left: number): Promise<void> =>
    page.evaluate((to) => void ((window as unknown as { camera: CanvasCamera }).camera.left = to), left);
  const hide = (hidden: boolean): Promise<void> =>
    page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  const opened = (): Promise<[number, boolean]> =>
    page.evaluate(() => {
      const { camera } = window as unknown as { camera: CanvasCamera };
      return [camera.opened, camera.stream.active];
    });

  // In view before and after: one person. Gone, and back later than a moment: another one.
  await hide(true);
  expect(await opened()).toEqual([1, false]);
  await hide(false);
  await expect(page.locator("#faces .number")).toHaveText(["#2"]); // seen anew, not still shown
  await expect(share).toHaveText("100 % compliant: 1 of 1 seen");
  await put(2000);
  await expect(faces).toHaveCount(0);
  // By the camera's own clock, and in a frame that was looked at: only there a face is given up.
  const now = async (): Promise<number> => (await savedJson(page))[0]!.time!;
  const gone = await now();
  await expect.poll(now).toBeGreaterThan(gone + 1);
  await hide(true);
  await hide(false);
  await expect.poll(opened).toEqual([3, true]);
  await expect(share).toHaveText("100 % compliant: 1 of 1 seen");
  await put(80);
  await expect(share).toHaveText("100 % compliant: 2 of 2 seen");

  await page.locator("#freeze").click();
  await hide(true);
  expect(await opened()).toEqual([3, false]);
  await put(2000);
  await hide(false);
  await expect(page.locator("#freeze")).toHaveText("Go on");
  await expect(faces).toHaveCount(1);
  expect((await savedJson(page))[0]?.faces).toHaveLength(1);
  const shown = await page.locator("#video").evaluate((video: HTMLVideoElement) => {
    const context = new OffscreenCanvas(1, 1).getContext("2d")!;
    context.drawImage(video, 320, 300, 1, 1, 0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  });
  expect(shown).not.toEqual([136, 136, 136, 255]); // the empty wall of now
  expect(shown[3]).toBe(255);
  const [picture] = await Promise.all([page.waitForEvent("download"), page.locator("#save-picture").click()]);
  expect(picture.suggestedFilename()).toMatch(/^camera-.*\.jpg$/);
  await screenshot(page, "camera-frozen");
  await page.locator("#freeze").click();
  await expect.poll(opened).toEqual([4, true]);
  await expect(page.locator("#freeze")).toHaveText("Freeze");
  await expect(faces).toHaveCount(0);
  await expect(share).toHaveText("100 % compliant: 2 of 2 seen");

  // To stop is to begin anew.
  await page.locator("#stop").click();
  await put(80);
  await page.locator("#mode-camera").click();
  await expect(share).toHaveText("100 % compliant: 1 of 1 seen");
});
