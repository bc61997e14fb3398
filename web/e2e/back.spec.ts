/** The browser's Back and Forward: start, pictures and camera lie upon each other. */

import { join } from "node:path";
import { expect, test, type Page } from "@playwright/test";
import { FILES, PICTURES, canvasCamera, openPage, pick, screenshot } from "./support";

const FACES = ["1 face", "1 face", "1 face"];

test.beforeEach(({ page }) => canvasCamera(page, join(PICTURES, "astronaut-masked.jpg")));

/** The view is there, and so is its place in the history, which follows a moment later. */
async function shows(page: Page, view: "start" | "picture" | "camera"): Promise<void> {
  await expect(page.locator("body")).toHaveAttribute("data-view", view);
  const place = view === "picture" ? "pictures" : view;
  await page.waitForFunction((now) => !Array.isArray(history.state) || history.state.at(-1) === now, place);
}

/** One press of Back is enough to leave the page. */
async function leaves(page: Page): Promise<void> {
  await page.goBack();
  expect(page.url()).toBe("about:blank");
}

test("Back leads from pictures to the start, which keeps them, and Forward to them again", async ({ page }) => {
  await openPage(page);
  await pick(page, FILES);
  for (const i of [1, 2]) {
    await page.locator(".item").nth(i).click(); // another picture is no other place
    await page.goBack();
    await shows(page, "start");
    await expect(page.locator(".item .badge")).toHaveText(FACES);
    if (i === 1) await screenshot(page, "start-with-pictures");
    await page.goForward();
    await shows(page, "picture");
    await expect(page.locator(".item").nth(i)).toHaveAttribute("aria-current", "true");
    await expect(page.locator("#picture")).toBeVisible();
  }
  await page.goBack();
  await page.locator("#mode-pictures").click();
  await shows(page, "picture");
  await page.locator("#clear").click();
  await shows(page, "start");
  await page.goForward(); // to pictures that are no more
  await shows(page, "start");
  await leaves(page);
});

test("a camera that was stopped leaves nothing behind that Back would have to pass", async ({ page }) => {
  await openPage(page);
  await page.locator("#mode-camera").click();
  await page.locator("#stop").click();
  await shows(page, "start");
  await leaves(page);

  await openPage(page);
  await pick(page, FILES);
  for (const button of ["#mode-camera", "#stop", "#mode-camera", "#mode-pictures"]) {
    await page.locator(button).click();
    await shows(page, button === "#mode-camera" ? "camera" : "picture");
  }
  await page.goForward();
  await shows(page, "camera");
  await page.goBack();
  await shows(page, "picture");
  await page.goBack();
  await shows(page, "start");
  await expect(page.locator(".item .badge")).toHaveText(FACES);
  // From the camera to pictures that do not lie below it.
  await page.locator("#mode-camera").click();
  await page.locator("#stop").click();
  await shows(page, "picture");
  await page.goBack();
  await shows(page, "start");
  await leaves(page);
});

test("a page that was opened at the camera leads back to where it was opened, and pictures to the start", async ({ page }) => {
  await openPage(page, "./#camera");
  await shows(page, "camera");
  await leaves(page);
  await page.goForward();
  await shows(page, "camera");
  await pick(page, FILES);
  await shows(page, "picture");
  await page.goBack();
  await shows(page, "start");
  await expect(page.locator(".item .badge")).toHaveText(FACES);
  // As the app's own button does, and as an address that is typed.
  await page.evaluate(() => location.replace("#camera"));
  await shows(page, "camera");
  await page.locator("#stop").click();
  await shows(page, "picture");
  await page.goBack();
  await shows(page, "start");
  await leaves(page);
});

test("a reload, after which there are no pictures, leaves no way back to them", async ({ page }) => {
  await openPage(page);
  await pick(page, FILES);
  await page.reload();
  await shows(page, "start");
  await leaves(page);

  await openPage(page);
  await pick(page, FILES);
  await page.locator("#mode-camera").click();
  await shows(page, "camera");
  await page.reload();
  await expect(page.locator("#faces .chip")).toHaveText(["With mask"]);
  await page.goBack();
  await shows(page, "start");
  await leaves(page);
});

test("what is shown stays when it was chosen before Back had come", async ({ page }) => {
  await openPage(page);
  await pick(page, FILES);
  await page.evaluate(() => {
    document.getElementById("mode-camera")!.click();
    document.getElementById("stop")!.click();
    document.getElementById("mode-camera")!.click();
  });
  await expect.poll(() => page.evaluate(() => location.hash)).toBe("#camera");
  await shows(page, "camera");
  await page.goBack();
  await shows(page, "picture");
  await page.goBack();
  await shows(page, "start");
  await leaves(page);
});
