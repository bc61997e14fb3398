/** What a person does on the page, in a real browser: pictures, files, offline, keyboard. */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "@playwright/test";
import {
  CUT_OFF,
  EXAMPLES,
  FILES,
  PHONE,
  PROJECT,
  canvasCamera,
  drop,
  dropFolder,
  expectNothingSerious,
  expectOneOrigin,
  networkLog,
  openPage,
  pick,
  savedJson,
  screenshot,
  setThreshold,
} from "./support";

const LABELS = ["with_mask", "mask_worn_incorrectly", "without_mask"];

/** The astronaut's face, by eye. */
const FACE = { left: 176, top: 66, right: 272, bottom: 174 };

test("pictures in, right boxes and labels out, nothing leaves the origin", async ({ page, context }) => {
  const asked = networkLog(context);
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await openPage(page);
  await screenshot(page, "start-light");
  await expectNothingSerious(page);
  const title = page.getByRole("heading", { level: 1 });
  await expect(title).toHaveCount(1);
  await pick(page, FILES);
  await expect(title).toHaveCount(1);
  const results = await savedJson(page);
  expect(results.map(({ file }) => file)).toEqual(EXAMPLES);
  expect(results.map(({ faces }) => faces.map(({ label }) => label))).toEqual(LABELS.map((l) => [l]));
  for (const { faces, width } of results) {
    expect(width).toBe(512);
    const [x, y, w, h] = faces[0]!.box;
    const shared =
      (Math.min(x + w, FACE.right) - Math.max(x, FACE.left)) *
      (Math.min(y + h, FACE.bottom) - Math.max(y, FACE.top));
    const union = w * h + (FACE.right - FACE.left) * (FACE.bottom - FACE.top) - shared;
    expect(shared / union).toBeGreaterThan(0.7);
  }
  await expect(page.locator("#counts dd")).toHaveText(["1", "1", "1"]);
  await expect(page.locator("#share")).toHaveText("33 % compliant: 1 of 3 faces");
  await expect(page.locator("#overlay")).toHaveAttribute("aria-label", /^1 face: mask \d+ %$/);
  await screenshot(page, "pictures-light");
  await expectNothingSerious(page);
  expect(errors).toEqual([]);
  expectOneOrigin(asked, page);
});

test("dropped and pasted pictures are taken, damaged ones named", async ({ page }) => {
  await openPage(page);
  const photo = readFileSync(FILES[0]!);
  await drop(page, [
    { name: "dropped.jpg", content: photo },
    { name: "broken.jpg", content: photo.subarray(0, 90) },
    { name: "empty.png", content: Buffer.alloc(0) },
    { name: "cut.jpg", content: photo.subarray(0, photo.length * 0.6) },
  ]);
  await page.evaluate((base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([bytes], "pasted.jpg", { type: "image/jpeg" }));
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, photo.toString("base64"));
  await expect(page.locator("body")).toHaveAttribute("data-done", "5");
  const badges = ["1 face", "unreadable", "unreadable", "unreadable", "1 face"];
  await expect(page.locator(".item .badge")).toHaveText(badges);
  await page.locator(".item").nth(1).click();
  await expect(page.locator("#notice")).toContainText("cannot read the file: it is damaged");
  await page.locator(".item").nth(2).click();
  await expect(page.locator("#notice")).toHaveText("The file is empty.");
  await page.locator(".item").nth(3).click();
  await expect(page.locator("#notice")).toHaveText(CUT_OFF);
  await expect(page.locator("#picture")).toBeHidden();
  await expect(page.locator(".item").nth(0)).toHaveAccessibleName("dropped.jpg 1 face");
  await expect(page.locator(".item").nth(1)).toHaveAccessibleName("broken.jpg unreadable");
  await screenshot(page, "unreadable");
  await expectNothingSerious(page);
});

test("folders are taken with their pictures; one without any is one sentence", async ({ page }) => {
  const folders = join(PROJECT, "out/folders");
  rmSync(folders, { recursive: true, force: true });
  for (const name of ["phone/IMG_1.HEIC", "phone/IMG_2.HEIC", "trip/a/IMG_1.jpg", "trip/b/IMG_1.jpg", "mixed/2.jpg"]) {
    mkdirSync(dirname(join(folders, name)), { recursive: true });
    copyFileSync(FILES[0]!, join(folders, name));
  }
  // The box that a HEIC file begins with; and what desktops leave in folders.
  writeFileSync(join(folders, "mixed/1.heic"), "\0\0\0\x18ftypheic\0\0\0\0mif1heic");
  writeFileSync(join(folders, "mixed/.DS_Store"), "");
  await openPage(page);
  await dropFolder(page, join(folders, "phone"));
  await expect(page.locator("#engine")).toHaveText(/^No picture or video .* among the folder's 2 files\. Try/);
  await dropFolder(page, join(folders, "trip"));
  await expect(page.locator("body")).toHaveAttribute("data-done", "2");
  const names = (await savedJson(page)).map(({ file }) => file);
  expect(names).toEqual(["trip/a/IMG_1.jpg", "trip/b/IMG_1.jpg"]);
  const [picture] = await Promise.all([page.waitForEvent("download"), page.locator("#save-picture").click()]);
  expect(picture.suggestedFilename()).toBe("IMG_1-masklens.jpg");
  await page.locator("#clear").click();
  await dropFolder(page, join(folders, "mixed"));
  await expect(page.locator(".item .badge")).toHaveText(["unreadable", "1 face"]);
  await expect(page.locator("#notice")).toContainText("of a format that it does not know, such as HEIC");
});

test("a file that goes away keeps no other waiting", async ({ page }) => {
  const files = ["gone.jpg", "next.jpg"].map((name) => join(PROJECT, "out", name));
  for (const file of files) copyFileSync(FILES[0]!, file);
  await page.exposeFunction("pullOut", () => rmSync(files[0]!, { force: true }));
  await page.addInitScript(() => {
    const { createImageBitmap: open } = window;
    // The first picture is labelled and its thumbnail, which has a size, is still to be made.
    Object.assign(window, {
      createImageBitmap: async (source: Blob, ...size: []) => {
        if (size.length > 0) await (window as unknown as { pullOut(): Promise<void> }).pullOut();
        return open(source, ...size);
      },
    });
  });
  await openPage(page);
  await pick(page, files);
  await expect(page.locator(".item .badge")).toHaveText(["1 face", "1 face"]);
  await expect(page.locator(".item canvas")).toHaveCount(1);
});

test("the threshold hides faces; picture and CSV are saved", async ({ page }) => {
  await openPage(page);
  await pick(page, FILES);
  const reply = await page.request.get("model/card.json");
  const { thresholds } = (await reply.json()) as { thresholds: Record<string, number> };
  for (const name of ["sensitive", "precise"]) {
    await page.getByRole("button", { name }).click();
    await expect(page.locator("#presets [aria-pressed=true]")).toHaveText([name]);
    await expect(page.locator("#threshold-value")).toHaveText(`${Math.round(thresholds[name]! * 100)} %`);
  }
  await setThreshold(page, 0.98);
  await expect(page.locator("#counts dd")).toHaveText(["0", "0", "0"]);
  await expect(page.locator("#faces li")).toHaveCount(0);
  await page.getByRole("button", { name: "default" }).click();
  await expect(page.locator("#counts dd")).toHaveText(["1", "1", "1"]);
  const [table] = await Promise.all([page.waitForEvent("download"), page.locator("#save-csv").click()]);
  const rows = readFileSync(await table.path(), "utf8").trim().split("\n");
  expect(rows).toHaveLength(4);
  expect(rows[1]).toMatch(/^astronaut-masked\.jpg,.*,with_mask,/);
  const [picture] = await Promise.all([page.waitForEvent("download"), page.locator("#save-picture").click()]);
  expect(picture.suggestedFilename()).toMatch(/^astronaut.*-masklens\.jpg$/);
  // What was saved is a picture of the same size with a box in the label's colour.
  const saved = readFileSync(await picture.path()).toString("base64");
  const green = await page.evaluate(async (base64) => {
    const image = new Image();
    image.src = `data:image/jpeg;base64,${base64}`;
    await image.decode();
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (Math.abs(data[i]! - 40) + Math.abs(data[i + 1]! - 200) + Math.abs(data[i + 2]! - 140) < 40) count++;
    }
    return [image.width, image.height, count];
  }, saved);
  expect(green.slice(0, 2)).toEqual([512, 512]);
  expect(green[2]).toBeGreaterThan(400);
});

test("boxes wait for their picture; quick clicks unpack one picture at a time", async ({ page }) => {
  await page.addInitScript(() => {
    const { createImageBitmap: open } = window;
    const seen = { now: 0, most: 0 };
    Object.assign(window, {
      seen,
      // Thumbnails are made with a size; these are the pictures for the stage, which take long.
      createImageBitmap: async (source: Blob, ...size: []) => {
        if (!(source instanceof File) || size.length > 0) return open(source, ...size);
        seen.most = Math.max(seen.most, ++seen.now);
        await new Promise((resolve) => setTimeout(resolve, 250));
        seen.now -= 1;
        return open(source);
      },
    });
  });
  await openPage(page);
  await pick(page, FILES);
  const overlay = page.locator("#overlay");
  await expect(overlay).toHaveAttribute("aria-label", /^1 face: mask/);
  const [hidden, label] = await page.evaluate(() => {
    for (const i of [1, 2, 0, 1]) document.querySelectorAll<HTMLElement>(".item")[i]!.click();
    const said = document.getElementById("overlay")!.getAttribute("aria-label");
    return [document.getElementById("picture")!.hidden, said];
  });
  expect([hidden, label]).toEqual([true, "No faces"]);
  await expect(page.locator("#busy")).toHaveText("Opening …");
  await expect(overlay).toHaveAttribute("aria-label", /^1 face: badly worn/);
  await expect(page.locator("#busy")).toBeHidden();
  expect(await page.evaluate(() => (window as unknown as { seen: { most: number } }).seen.most)).toBe(1);
});

test("of many pictures the one that is looked at comes first", async ({ page }) => {
  await openPage(page);
  await page.evaluate(() => {
    const badges: string[] = [];
    Object.assign(window, { badges });
    new MutationObserver(() => {
      const all = [...document.querySelectorAll(".item .badge")].map(({ textContent }) => textContent!);
      badges.push(all.join(" "));
      if (all.length > 0 && badges.length === 1) document.querySelector<HTMLElement>("li:last-child > .item")!.click();
    }).observe(document.getElementById("items")!, { subtree: true, childList: true, characterData: true });
  });
  await pick(page, [...FILES, ...FILES]);
  const last = await page.evaluate(() =>
    (window as unknown as { badges: string[] }).badges.find((each) => each.endsWith("face")),
  );
  expect(last).toBe("1 face … … … … 1 face");
});

test("works by keyboard alone", async ({ page }) => {
  await openPage(page);
  await page.keyboard.press("Tab");
  await expect(page.getByText("Skip to the picture")).toBeFocused();
  await page.locator("#examples").focus();
  await page.keyboard.press("Enter");
  await expect(page.locator("body")).toHaveAttribute("data-done", "3");
  await expect(page.locator("#stage")).toBeFocused(); // the button is gone
  await page.locator(".item").nth(2).focus();
  await page.keyboard.press("Enter");
  await expect(page.locator(".item").nth(2)).toHaveAttribute("aria-current", "true");
  await expect(page.locator("#faces .chip")).toHaveText(["No mask"]);
  const face = page.locator("#faces button").first();
  await face.focus();
  await setThreshold(page, 0.4);
  await expect(face).toBeFocused();
  await page.locator("#threshold").focus();
  const before = await page.locator("#threshold-value").innerText();
  await page.keyboard.press("ArrowRight");
  await expect(page.locator("#threshold-value")).not.toHaveText(before);
  await page.locator("#clear").focus();
  await page.keyboard.press("Enter");
  await expect(page.locator("#stage")).toBeFocused();
});

test("a reload without a network works", async ({ page, context }) => {
  await openPage(page);
  await expect(page.locator("#engine")).toHaveText("Ready. This page now works without a network.");
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  await context.setOffline(true);
  await openPage(page);
  await pick(page, FILES.slice(0, 1));
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await screenshot(page, "offline");
});

test("the model is the one that the server has now, and stays without a network", async ({ page, context }) => {
  await openPage(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  await expect(page.locator("#model-name")).not.toHaveText("model another 7");
  // As if the server had been started again with another bundle.
  await context.route("**/model/card.json", async (route) => {
    const card = (await (await route.fetch()).json()) as object;
    await route.fulfill({ json: { ...card, name: "another", version: "7" } });
  });
  await openPage(page);
  await expect(page.locator("#model-name")).toHaveText("model another 7");
  await context.unroute("**/model/card.json");
  await context.setOffline(true);
  await openPage(page);
  await expect(page.locator("#model-name")).toHaveText("model another 7");
  await pick(page, FILES.slice(0, 1));
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
});

test("a new model that does not arrive leaves the one that is kept", async ({ page, context }) => {
  await openPage(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  const name = await page.locator("#model-name").innerText();
  // The connection goes between the new card and what it lists.
  await context.route("**/model/card.json", async (route) => {
    const card = (await (await route.fetch()).json()) as { files: Record<string, { sha256: string }> };
    card.files["classifier.onnx"]!.sha256 = "0".repeat(64);
    await route.fulfill({ json: { ...card, name: "another" } });
  });
  await context.route("**/model/classifier.onnx", (route) => route.abort());
  for (const offline of [false, true]) {
    await context.setOffline(offline);
    await openPage(page);
    await expect(page.locator("#model-name")).toHaveText(name);
    await pick(page, FILES.slice(0, 1));
    await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  }
});

for (const scheme of ["light", "dark"] as const) {
  test(`on a phone, ${scheme}`, async ({ browser, baseURL }) => {
    const context = await browser.newContext({ ...PHONE, baseURL: baseURL!, colorScheme: scheme });
    const page = await context.newPage();
    await openPage(page);
    await screenshot(page, `phone-start-${scheme}`);
    await pick(page, FILES);
    await page.locator(".item").nth(1).click();
    await expect(page.locator("#faces .chip")).toHaveText(["Badly worn"]);
    await screenshot(page, `phone-pictures-${scheme}`);
    // Neither a narrow phone's width nor a lying one's height is left.
    for (const [width, height] of [[390, 844], [320, 640], [844, 390]] as const) {
      await page.setViewportSize({ width, height });
      await page.evaluate(() => scrollTo(0, 0));
      for (const i of [0, 1]) {
        await page.locator(".item").nth(i).evaluate((item: HTMLElement) => item.click());
      }
      expect(await page.evaluate(() => [document.documentElement.scrollWidth, scrollY])).toEqual([width, 0]);
    }
    await expectNothingSerious(page);
    await context.close();
  });
}

test("large letters make nothing wider than a phone", async ({ browser, baseURL }) => {
  const viewport = { width: 360, height: 640 };
  const context = await browser.newContext({ ...PHONE, viewport, baseURL: baseURL! });
  const page = await context.newPage();
  await canvasCamera(page, FILES[0]!);
  await openPage(page);
  const session = await context.newCDPSession(page);
  const expectToFit = async (view: string): Promise<void> => {
    for (const standard of [16, 21, 24, 32]) {
      await session.send("Page.setFontSizes", { fontSizes: { standard } });
      await expect.poll(() => page.evaluate(() => getComputedStyle(document.body).fontSize)).toBe(`${standard}px`);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width);
      const skip = await page.locator("#skip").boundingBox();
      expect(skip!.y + skip!.height).toBeLessThanOrEqual(0);
      await screenshot(page, `phone-letters-${view}-${standard}`);
    }
  };
  await expectToFit("start");
  await pick(page, FILES);
  await expectToFit("pictures");
  await page.locator("#mode-camera").click();
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await expectToFit("camera");
  await context.close();
});

test("dark, on a desk", async ({ browser, baseURL }) => {
  const context = await browser.newContext({ baseURL: baseURL!, colorScheme: "dark", viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await openPage(page);
  await screenshot(page, "start-dark");
  await pick(page, FILES);
  await screenshot(page, "pictures-dark");
  await expectNothingSerious(page);
  await context.close();
});

test("in a system's own colours, what is chosen stands out, and the bar keeps its colours", async ({ page }) => {
  await page.emulateMedia({ forcedColors: "active" });
  await openPage(page);
  await pick(page, FILES.slice(0, 2));
  const style = (selector: string, name: string): Promise<string> =>
    page.locator(selector).evaluate((element, key) => getComputedStyle(element).getPropertyValue(key), name);
  for (const [chosen, other] of [
    ["#mode-pictures", "#mode-camera"],
    ["#presets [aria-pressed=true]", "#presets [aria-pressed=false] >> nth=0"],
    [".item[aria-current=true]", ".item[aria-current=false]"],
  ] as const) {
    expect(await style(chosen, "outline-style")).toBe("solid");
    expect(await style(other, "outline-style")).toBe("none");
  }
  expect(await style("#share-bar .with_mask", "background-color")).toBe("rgb(40, 200, 140)");
  await screenshot(page, "pictures-forced-colours");
});
