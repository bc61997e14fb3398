/** What goes wrong is one sentence, on the screen and for as long as it is true. */

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { PICTURES, PROJECT, canvasCamera, drop, dropFolder, openPage } from "./support";

const PHOTO = readFileSync(join(PICTURES, "astronaut-masked.jpg"));
const CLIP = { name: "walk.webm", mimeType: "video/webm", buffer: Buffer.alloc(9) };

test("without a model, the camera, pictures and clips say so", async ({ page, context }) => {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  const reason = "classifier.onnx could not be loaded (no connection). Reload the page.";
  let fail = (): void => undefined;
  const late = new Promise<void>((resolve) => (fail = resolve));
  await context.route("**/classifier.onnx", (route) => late.then(() => route.abort()));
  await page.goto("./#camera");
  await expect(page.locator("#notice")).toHaveText("Loading the models …");
  await drop(page, [{ name: "photo.jpg", content: PHOTO }]);
  await expect(page.locator("#busy")).toHaveText("Loading the models …");
  await page.locator("#clear").click(); // it need not be waited for
  await expect(page.locator("#start")).toBeVisible();
  await drop(page, [{ name: "photo.jpg", content: PHOTO }]);
  await page.locator("#mode-camera").click();
  fail();
  await expect(page.locator("#notice")).toHaveText(reason);
  await drop(page, [{ name: "photo.jpg", content: PHOTO }]);
  await expect(page.locator("#notice")).toHaveText(reason);
  await page.locator("#files").setInputFiles(CLIP);
  await expect(page.locator("#view")).toBeVisible();
  await expect(page.locator("#notice")).toHaveText(reason);
  expect(errors).toEqual([]);
});

test("without the engine, a picture says so", async ({ page, context }) => {
  const reason = "The engine stopped: it could not be started. Reload the page.";
  await context.route("**/worker-*.js", (route) => route.abort());
  await page.goto("./");
  await expect(page.locator("#engine")).toHaveText(reason);
  await drop(page, [{ name: "photo.jpg", content: PHOTO }]);
  await expect(page.locator("#notice")).toHaveText(reason);
  await expect(page.locator("#busy")).toBeHidden();
});

test("what could not be fetched or saved is said until something else is shown", async ({ page, context }) => {
  await openPage(page);
  await context.route("**/assets/astronaut*", (route) => route.abort());
  await page.locator("#examples").click();
  await expect(page.locator("#engine")).toContainText("could not be loaded (no connection)");
  await drop(page, [{ name: "photo.jpg", content: PHOTO }]);
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await page.evaluate(() => {
    OffscreenCanvas.prototype.convertToBlob = () => Promise.reject(new Error("There is no room."));
  });
  await page.locator("#save-picture").click();
  await expect(page.locator("#notice")).toHaveText("There is no room.");
  await page.locator("#threshold").press("ArrowRight");
  await expect(page.locator("#notice")).toHaveText("There is no room.");
});

test("tables that could not be saved are said, those that were, too", async ({ page }) => {
  await openPage(page);
  await drop(page, [{ name: "photo.jpg", content: PHOTO }]);
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  const told = page.locator("#notice");
  await page.evaluate(() => {
    const java = new Error("Java exception was raised during method invocation");
    const save = (): never => {
      throw java;
    };
    window.masklensHost = { save };
  });
  for (const id of ["save-json", "save-picture"]) {
    await page.keyboard.press("Escape");
    await page.locator(`#${id}`).click();
    await expect(told).toHaveText("The app could not take the file.");
  }
  await page.evaluate(() => delete window.masklensHost);
  const [table] = await Promise.all([page.waitForEvent("download"), page.locator("#save-csv").click()]);
  expect(table.suggestedFilename()).toBe("masklens.csv");
  await expect(told).toBeHidden();
  await expect(page.locator("#status")).toHaveText("The table was handed over.");
  await page.evaluate(() => {
    URL.createObjectURL = () => {
      throw new Error("There is no room.");
    };
  });
  await page.locator("#save-csv").click();
  await expect(told).toHaveText("There is no room.");
});

test("what was read does not stay in the way", async ({ page }) => {
  await canvasCamera(page, join(PICTURES, "astronaut-masked.jpg"));
  await openPage(page);
  const notice = page.locator("#notice");
  const folder = join(PROJECT, "out/nothing");
  mkdirSync(folder, { recursive: true });
  const ways = [
    () => notice.click(),
    () => page.keyboard.press("Escape"),
    (mode: string) => page.locator(mode).click(), // what is shown is chosen again
  ];
  const goesAway = async (mode: string): Promise<void> => {
    for (const way of ways) {
      await dropFolder(page, folder);
      await expect(notice).toHaveText("The folder is empty.");
      await way(mode);
      await expect(notice).toBeHidden();
    }
  };
  await drop(page, [{ name: "photo.jpg", content: PHOTO }]);
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await goesAway("#mode-pictures");
  await page.locator("#mode-camera").click();
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await goesAway("#mode-camera");
  // Where nothing lies behind it, it stays.
  await page.locator("#files").setInputFiles(CLIP);
  await expect(notice).toHaveText(/^This browser cannot play this video/);
  await page.keyboard.press("Escape");
  await notice.click();
  await expect(notice).toBeVisible();
  await page.locator(".item").last().click();
  await expect(notice).toHaveText(/^This browser cannot play this video/);
});
