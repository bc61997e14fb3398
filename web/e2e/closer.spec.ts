/** Large pictures: what two sizes find, what is lost at them, and what looking closer finds. */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test, type Page, type Worker } from "@playwright/test";
import { NEAR, OUT, compare, needPhotographs, runPython, worst, type Python } from "./python";
import {
  PHONE,
  PICTURES,
  drop,
  expectNothingSerious,
  openPage,
  pick,
  savedJson,
  screenshot,
  setThreshold,
} from "./support";

const ASTRONAUT = join(PICTURES, "astronaut-masked.jpg");
const SMALL = 4;
const BEFORE = "Searched at 704 and 1408 of 3200\u00a0px: small faces may be missing.";
const AFTER = "Searched at 704 and 2112 of 3200\u00a0px.";

/** A JPEG of 3,200 px: a face of 800 px with its forehead and chin, and four of 15 px beside it. */
async function largePicture(page: Page): Promise<Buffer> {
  const source = `data:image/jpeg;base64,${readFileSync(ASTRONAUT).toString("base64")}`;
  const base64 = await page.evaluate(
    async ([from, small]) => {
      const image = new Image();
      image.src = from;
      await image.decode();
      const canvas = Object.assign(document.createElement("canvas"), { width: 3200, height: 2112 });
      const context = canvas.getContext("2d")!;
      context.fillStyle = "#808080";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.imageSmoothingQuality = "high";
      context.drawImage(image, 110, 0, 230, 230, 300, 100, 2000, 2000);
      for (let i = 0; i < small; i++) context.drawImage(image, 3034, 100 + 500 * i, 80, 80);
      return canvas.toDataURL("image/jpeg", 0.92).split(",")[1]!;
    },
    [source, SMALL] as const,
  );
  return Buffer.from(base64, "base64");
}

async function addLargePicture(page: Page, said = BEFORE): Promise<void> {
  await drop(page, [{ name: "large.jpg", content: await largePicture(page) }]);
  await expect(page.locator("#closer-said")).toHaveText(said, { timeout: 30_000 });
}

/** The runtime has at most so much memory, in MiB, until it is given more. */
async function limitMemory(worker: Worker, most: number): Promise<void> {
  await worker.evaluate((most) => {
    const { prototype } = WebAssembly.Memory;
    const { grow } = prototype;
    prototype.grow = function (pages: number): number {
      if (this.buffer.byteLength + pages * 65_536 > most * 2 ** 20) {
        throw new RangeError("WebAssembly.Memory.grow(): Maximum memory size exceeded");
      }
      return grow.call(this, pages);
    };
    Object.assign(globalThis, { haveMemory: () => (prototype.grow = grow) });
  }, most);
}

async function giveMemory(worker: Worker): Promise<void> {
  await worker.evaluate(() => (globalThis as unknown as { haveMemory(): void }).haveMemory());
}

test("a large picture has the faces that Python finds, and so has looking closer", async ({ page }) => {
  needPhotographs();
  const picture = join(OUT, "mosaic.jpg");
  const mosaic = ["--mosaic", picture];
  const usual = runPython("mosaic.json", mosaic);
  const closer = runPython("mosaic-closer.json", [...mosaic, "--long-side", "704", "2112"]);
  const { threshold } = usual;
  const agree = async ({ pictures }: Python): Promise<number> => {
    const [saved] = await savedJson(page);
    const strong = pictures[0]!.faces.filter(({ score }) => score >= threshold);
    const differences = compare(strong, saved!.faces, threshold, basename(picture));
    const summary = { faces: differences.length, ...worst(differences) };
    console.log(JSON.stringify(summary));
    expect(summary.box).toBeLessThanOrEqual(2);
    expect(summary.probability).toBeLessThanOrEqual(0.02);
    return summary.faces;
  };
  await openPage(page);
  await pick(page, [picture]);
  await setThreshold(page, threshold - NEAR);
  const before = await agree(usual);
  await page.locator("#look-closer").click();
  await expect(page.locator("#closer-said")).toHaveText("Searched at 704 and 2112 of 2880\u00a0px.", {
    timeout: 60_000,
  });
  expect(await agree(closer)).toBeGreaterThan(before);
});

test("without the memory for two sizes there are the faces of the usual one", async ({ page }) => {
  await openPage(page);
  await pick(page, [ASTRONAUT]);
  const worker = page.workers()[0]!;
  await limitMemory(worker, 80);
  await addLargePicture(page, "Searched at 704 of 3200\u00a0px: small faces may be missing.");
  await expect(page.locator(".item .badge").last()).toHaveText("1 face");
  await giveMemory(worker);
  await page.locator("#look-closer").click();
  await expect(page.locator("#closer-said")).toHaveText(AFTER, { timeout: 30_000 });
});

test("by keyboard: offered, busy, done; counts and files follow", async ({ page }) => {
  await openPage(page);
  await addLargePicture(page);
  const badge = page.locator(".item .badge").first();
  await expect(badge).toHaveText("1 face");
  await expect(page.locator("#counts dd")).toHaveText(["1", "0", "0"]);
  await screenshot(page, "closer-offered");
  await expectNothingSerious(page);
  const button = page.getByRole("button", { name: "Look closer" });
  await expect(button).toHaveAccessibleDescription(BEFORE);
  // At once, and not only when the result is there.
  const busy = await button.evaluate((look: HTMLButtonElement) => {
    look.focus();
    look.click();
    look.click(); // once is enough
    const of = (selector: string): string => document.querySelector(selector)!.textContent!;
    return [look.textContent, look.ariaDisabled, of("#status"), of("#busy"), of(".badge")];
  });
  expect(busy).toEqual(["Looking …", "true", "large.jpg: looking closer …", "Looking …", "…"]);
  await expect(page.locator("#busy")).toBeVisible();
  await expect(page.locator("#closer-said")).toHaveText(AFTER, { timeout: 30_000 });
  await expect(page.locator("#closer-said")).toBeFocused();
  await expect(page.locator("#look-closer")).toBeHidden();
  await expect(page.locator("#busy")).toBeHidden();
  await expect(page.locator("#status")).toContainText(`large.jpg: ${1 + SMALL} faces: mask`);
  await expect(badge).toHaveText(`${1 + SMALL} faces`);
  await expect(page.locator("#counts dd").first()).toHaveText(String(1 + SMALL));
  const [result] = await savedJson(page);
  expect(result!.faces.map(({ box }) => box[2] > 500).sort()).toEqual([false, false, false, false, true]);
  await screenshot(page, "closer-done");
  await expectNothingSerious(page);

  // Pictures of a usual size, and the camera, have nothing to offer.
  await pick(page, [ASTRONAUT], 2);
  await expect(page.locator("#closer")).toBeHidden();
  await page.locator(".item").first().click();
  await expect(page.locator("#closer-said")).toHaveText(AFTER);
  await page.locator("#mode-camera").click();
  await expect(page.locator("#closer")).toBeHidden();
});

test("a phone without the memory: the first result stays, and the page goes on", async ({ browser, baseURL }) => {
  const context = await browser.newContext({ ...PHONE, baseURL: baseURL!, colorScheme: "dark" });
  const page = await context.newPage();
  await openPage(page);
  await addLargePicture(page);
  const worker = page.workers()[0]!;
  await limitMemory(worker, 128);
  await screenshot(page, "phone-closer");
  await page.locator("#look-closer").tap();
  const said = page.locator("#closer-said");
  await expect(said).toHaveText(
    "Looking closer failed, the first result stays. There is not enough memory for this picture.",
  );
  await expect(page.locator("#status")).toContainText("not enough memory");
  await expect(page.locator(".item .badge")).toHaveText("1 face");
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await screenshot(page, "phone-closer-failed");
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await expectNothingSerious(page);
  await pick(page, [ASTRONAUT], 2);
  await expect(page.locator(".item .badge")).toHaveText(["1 face", "1 face"]);
  await giveMemory(worker);
  await page.locator(".item").first().click();
  await page.locator("#look-closer").tap();
  await expect(said).toHaveText(AFTER, { timeout: 30_000 });
  await context.close();
});

test("a picture that is taken away meanwhile stays away", async ({ page }) => {
  await openPage(page);
  await addLargePicture(page);
  await page.locator("#look-closer").click();
  await page.locator("#clear").click();
  await pick(page, [ASTRONAUT], 1);
  await expect(page.locator(".item .badge")).toHaveText(["1 face"]);
  await expect(page.locator("#counts dd")).toHaveText(["1", "0", "0"]);
  await expect(page.locator("#closer")).toBeHidden();
});
