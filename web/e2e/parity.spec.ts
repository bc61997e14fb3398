/**
 * The browser against Python on 40 photographs: same faces, same labels, boxes within 2 px,
 * probabilities within 0.02. Python's answers are made by this run (MASKLENS_DATA, PYTHON and
 * MASKLENS_BUNDLE say from what), so they follow the models.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "@playwright/test";
import { BUNDLE, PROJECT, PYTHON, openPage, pick, savedJson, setThreshold, type FaceJson } from "./support";

const DATA = process.env.MASKLENS_DATA ?? join(PROJECT, "../shared");
const PHOTOGRAPHS = join(DATA, "data/scenes/val");
const OUT = join(PROJECT, "out/parity");

interface PythonFace {
  box: [number, number, number, number];
  label: string;
  score: number;
  face_score: number;
  probabilities: number[];
}

interface Python {
  threshold: number;
  pictures: { file: string; faces: PythonFace[] }[];
}

/** Faces nearer to the threshold than this may be shown on one side only. */
const NEAR = 0.02;

interface Difference {
  box: number;
  probability: number;
  score: number;
}

function runPython(): Python {
  const file = join(OUT, "python.json");
  const result = spawnSync(
    PYTHON,
    [
      join(PROJECT, "web/e2e/python_results.py"),
      PHOTOGRAPHS,
      file,
      ...["--png", join(OUT, "png")],
      ...(BUNDLE === undefined ? [] : ["--bundle", BUNDLE]),
    ],
    { encoding: "utf8", env: { ...process.env, PYTHONPATH: join(PROJECT, "src") } },
  );
  expect(result.status, result.stderr).toBe(0);
  return JSON.parse(readFileSync(file, "utf8")) as Python;
}

/** Pair a picture's faces and compare them; throws when a face has no partner or another label. */
function compare(python: PythonFace[], browser: FaceJson[], threshold: number, file: string): Difference[] {
  const left = new Set(browser);
  const differences: Difference[] = [];
  for (const face of python) {
    const [x1, y1, x2, y2] = face.box;
    const distance = ({ box: [x, y, w, h] }: FaceJson): number =>
      Math.max(...[x - x1, y - y1, x + w - x2, y + h - y2].map(Math.abs));
    const partner = [...left].sort((a, b) => distance(a) - distance(b))[0];
    const apart = partner === undefined ? Infinity : distance(partner);
    if (partner === undefined || apart > 2) {
      if (Math.abs(face.score - threshold) < NEAR) continue;
      throw new Error(`${file}: Python's face ${JSON.stringify(face)} is not in the browser (${apart} px)`);
    }
    left.delete(partner);
    expect(partner.label, file).toBe(face.label);
    const probabilities = Object.values(partner.probabilities);
    differences.push({
      box: apart,
      probability: Math.max(...face.probabilities.map((p, i) => Math.abs(p - probabilities[i]!))),
      score: Math.abs(face.score - partner.score),
    });
  }
  const extra = [...left].filter(({ score }) => score >= threshold + NEAR);
  expect(extra, `${file}: faces that Python does not find`).toEqual([]);
  return differences;
}

for (const format of ["jpg", "png"] as const) {
  test(`the browser says what Python says, ${format}`, async ({ page }) => {
    test.setTimeout(180_000);
    if (!existsSync(PHOTOGRAPHS)) {
      expect(process.env.CI, `no photographs at ${PHOTOGRAPHS}: set MASKLENS_DATA`).toBeFalsy();
      test.skip(true, `no photographs at ${PHOTOGRAPHS}: set MASKLENS_DATA`);
    }
    const { threshold, pictures } = runPython();
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
    const worst = (key: keyof Difference): number => Math.max(...differences.map((d) => d[key]));
    const summary = {
      format,
      pictures: 40,
      faces: differences.length,
      box: worst("box"),
      probability: worst("probability"),
      score: worst("score"),
    };
    writeFileSync(join(OUT, `differences-${format}.json`), `${JSON.stringify(summary)}\n`);
    console.log(JSON.stringify(summary));
    expect(differences.length).toBeGreaterThan(80);
    expect(summary.box).toBeLessThanOrEqual(2);
    expect(summary.probability).toBeLessThanOrEqual(0.02);
  });
}
