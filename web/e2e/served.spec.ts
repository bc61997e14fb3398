/**
 * The page as `masklens serve` gives it out: under its policy, beside its API. What is dropped on
 * the page gets the faces that the API finds in it, nothing is sent, and the policy is never broken.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import {
  EXAMPLES,
  PICTURES,
  drop,
  expectOneOrigin,
  networkLog,
  openPage,
  policyLog,
  savedJson,
  type PictureJson,
} from "./support";

const PHOTOS = EXAMPLES.map((name) => ({ name, content: readFileSync(join(PICTURES, name)) }));

test.skip(process.env.PAGE_URL !== undefined, "another server was given, which may have no API");

test("dropped pictures get the API's faces, within the policy and the origin", async ({
  page,
  context,
  request,
}) => {
  const asked = networkLog(context);
  const sent: string[] = [];
  context.on("request", (each) => each.method() !== "GET" && sent.push(each.url()));
  const broken = await policyLog(page);
  await openPage(page);
  await drop(page, PHOTOS);
  await expect(page.locator("body")).toHaveAttribute("data-done", "3");
  const shown = await savedJson(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  expectOneOrigin(asked, page);
  expect(sent).toEqual([]);
  expect(await broken()).toEqual([]);

  for (const [i, { name, content }] of PHOTOS.entries()) {
    const headers = { "Content-Type": "image/jpeg" };
    const reply = await request.post("v1/detect", { data: content, headers });
    expect(reply.status()).toBe(200);
    const [expected] = ((await reply.json()) as { pictures: PictureJson[] }).pictures;
    expect(expected!.faces).toHaveLength(1);
    expect(shown[i]!.file).toBe(name);
    expect(shown[i]!.faces.map(({ label }) => label)).toEqual(expected!.faces.map(({ label }) => label));
    const [face] = shown[i]!.faces;
    const [theirs] = expected!.faces;
    face!.box.forEach((value, side) => expect(Math.abs(value - theirs!.box[side]!)).toBeLessThan(2));
    for (const [label, probability] of Object.entries(theirs!.probabilities)) {
      expect(Math.abs(face!.probabilities[label]! - probability)).toBeLessThan(0.02);
    }
  }
});

test("the policy holds: what it forbids is stopped, in the page and in its worker", async ({ page }) => {
  const broken = await policyLog(page);
  const reply = await page.goto("./");
  const policy = reply!.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|\*|https?:/);
  await expect(page.locator("body")).toHaveAttribute("data-engine", "ready", { timeout: 30_000 });
  expect(await broken()).toEqual([]);
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.inline = true";
    document.head.append(script);
    new Image().src = "https://example.org/picture.png";
    return "inline" in window;
  });
  expect(ran).toBe(false);
  const [worker] = page.workers();
  const left = await worker!.evaluate(() => fetch("https://example.org/").then(() => true, () => false));
  expect(left).toBe(false);
  await expect
    .poll(async () => [...new Set(await broken())].sort())
    .toEqual([
      "connect-src: https://example.org/",
      "img-src: https://example.org/picture.png",
      "script-src-elem: inline",
    ]);
});
