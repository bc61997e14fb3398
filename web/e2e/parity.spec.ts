/**
 * The browser against Python on 40 photographs: same faces, same labels, boxes within 2 px,
 * probabilities within 0.02.
 */

import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "@playwright/test";
import { NEAR, OUT, compare, needPhotographs, runPython, worst, type Difference } from "./python";
import { openPage, pick, savedJson, setThreshold } from "./support";

for (const format of ["jpg", "png"] as const) {
  test(`the browser says what Python says, ${format}`, async ({ page }) => {
    test.setTimeout(180_000);
    needPhotographs();
    const { threshold, pictures } = runPython("python.json", ["--png", join(OUT, "png")]);
    expect(pictures).toHaveLength(40);
    const pngOf = (file: string): string => join(OUT, "png", basename(file).replace(/\.\w+$/, ".png"));
    const files = pictures.map(({ file }) => (format === "png" ? pngOf(file) : file));
    await openPage(page);
    await pick(page, files);
    await setThreshold(page, threshold - NEAR);
    const results = await savedJson(page);
    expect(results).toHaveLength(40);
    const differences: Difference[] = [];
    pictures.forEach(({ file, faces }, i) => {
      const strong = faces.filter(({ score }) => score >= threshold);
      differences.push(...compare(strong, results[i]!.faces, threshold, basename(file)));
    });
    const summary = { format, pictures: 40, faces: differences.length, ...worst(differences) };
    writeFileSync(join(OUT, `differences-${format}.json`), `${JSON.stringify(summary)}\n`);
    console.log(JSON.stringify(summary));
    expect(differences.length).toBeGreaterThan(80);
    expect(summary.box).toBeLessThanOrEqual(2);
    expect(summary.probability).toBeLessThanOrEqual(0.02);
  });
}
