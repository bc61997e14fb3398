/**
 * The page in Firefox (Debian's; FIREFOX names another one): what Python says of photographs, the
 * camera, files that are kept, and a reload without a network. Puppeteer drives it: Playwright asks
 * an installed Firefox for what Debian's does not know yet.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "@playwright/test";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { NEAR, OUT, compare, needPhotographs, runPython, worst } from "./python";
import { CUT_OFF, FILES, type PictureJson } from "./support";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

let downloads: string;
let browser: Browser;
let page: Page;
let errors: string[];

test.beforeEach(async ({ baseURL }) => {
  if (!existsSync(FIREFOX)) {
    expect(process.env.CI, `no Firefox at ${FIREFOX}`).toBeFalsy();
    test.skip(true, `no Firefox at ${FIREFOX}: set FIREFOX`);
  }
  mkdirSync(OUT, { recursive: true });
  downloads = mkdtempSync(join(OUT, "firefox-"));
  browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    extraPrefsFirefox: {
      "browser.download.folderList": 2, // into the folder that comes next
      "browser.download.dir": downloads,
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
    },
  });
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(baseURL!);
  await page.waitForSelector("body[data-engine=ready]");
});

test.afterEach(async () => {
  await browser?.close();
  rmSync(downloads, { recursive: true, force: true });
});

async function give(...files: string[]): Promise<void> {
  const input = await page.$("input#files");
  await input!.uploadFile(...files);
}

const text = (selector: string): Promise<string> => page.$eval(selector, ({ textContent }) => textContent!);

/** What the button `id` lets be downloaded, under that name. */
async function kept(id: string, name: string): Promise<Buffer> {
  await page.click(`#${id}`);
  await expect.poll(() => readdirSync(downloads)).toEqual([name]);
  const content = readFileSync(join(downloads, name));
  rmSync(join(downloads, name));
  return content;
}

test("Firefox says what Python says of 40 photographs", async () => {
  test.setTimeout(300_000);
  needPhotographs();
  const { threshold, pictures } = runPython("python-firefox.json", []);
  await give(...pictures.map(({ file }) => file));
  await page.waitForSelector(`body[data-done="${pictures.length}"]`, { timeout: 120_000 });
  await page.$eval("#threshold", (slider, to) => {
    (slider as HTMLInputElement).value = String(to);
    slider.dispatchEvent(new Event("input"));
  }, threshold - NEAR);
  const results = JSON.parse((await kept("save-json", "masklens.json")).toString()) as PictureJson[];
  const differences = pictures.flatMap(({ file, faces }, i) =>
    compare(faces.filter(({ score }) => score >= threshold), results[i]!.faces, threshold, basename(file)),
  );
  const summary = { browser: await browser.version(), faces: differences.length, ...worst(differences) };
  console.log(JSON.stringify(summary));
  expect(differences.length).toBeGreaterThan(80);
  expect(summary.box).toBeLessThanOrEqual(2);
  expect(summary.probability).toBeLessThanOrEqual(0.02);
  expect(errors).toEqual([]);
});

test("Firefox shows pictures and the camera, keeps files, and works without a network", async () => {
  test.setTimeout(180_000);
  await give(...FILES);
  await page.waitForSelector('body[data-done="3"]');
  expect(await text("#share")).toBe("33 % compliant: 1 of 3 faces");
  const picture = await kept("save-picture", "astronaut-masked-masklens.jpg");
  expect(picture.subarray(0, 3)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));
  expect((await kept("save-csv", "masklens.csv")).toString()).toContain("astronaut-masked.jpg,");

  await page.click("#mode-camera");
  await expect.poll(() => text("#rate")).toMatch(/\d fps/);
  await page.click("#freeze");
  await page.click("#stop");
  await page.waitForSelector("body[data-view=picture]");

  // Start, pictures and camera lie upon each other; an address that is typed leads to the camera, too.
  const goes = async (way: () => void, view: string): Promise<void> => {
    await page.evaluate(way);
    await page.waitForSelector(`body[data-view=${view}]`);
  };
  await goes(() => history.back(), "start");
  await goes(() => history.forward(), "picture");
  await goes(() => history.forward(), "camera");
  await goes(() => history.go(-2), "start");
  await goes(() => void (location.hash = "camera"), "camera");
  await goes(() => history.back(), "start");
  await goes(() => document.querySelector<HTMLElement>(".item")!.click(), "picture");

  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  await page.setOfflineMode(true);
  await page.reload();
  await page.waitForSelector("body[data-engine=ready]");
  // There are no pictures any more, and no way back to them.
  await page.waitForSelector("body[data-view=start]");
  await expect.poll(() => page.evaluate(() => history.state as unknown)).toBeNull();
  await give(FILES[0]!);
  await page.waitForSelector('body[data-done="1"]');
  expect(await text("#faces .chip")).toBe("With mask");

  // Firefox itself would show what there is of it, and say nothing.
  const cut = join(OUT, "cut.jpg");
  const whole = readFileSync(FILES[0]!);
  writeFileSync(cut, whole.subarray(0, whole.length * 0.6));
  await give(cut);
  await page.waitForSelector('body[data-done="2"]');
  expect(await text("#notice")).toBe(CUT_OFF);
  expect(errors).toEqual([]);
});
