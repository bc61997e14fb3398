/**
 * Python's answers, made by this run (MASKLENS_DATA, PYTHON and MASKLENS_BUNDLE say from what), so
 * that they follow the models; and how the browser's are compared with them.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { BUNDLE, PROJECT, PYTHON, type FaceJson } from "./support";

const DATA = process.env.MASKLENS_DATA ?? join(PROJECT, "../shared");
const PHOTOGRAPHS = join(DATA, "data/scenes/val");
export const OUT = join(PROJECT, "out/parity");

export interface PythonFace {
  box: [number, number, number, number];
  label: string;
  score: number;
  face_score: number;
  probabilities: number[];
}

export interface Python {
  threshold: number;
  pictures: { file: string; faces: PythonFace[] }[];
}

/** Faces nearer to the threshold than this may be shown on one side only. */
export const NEAR = 0.02;

export interface Difference {
  box: number;
  probability: number;
  score: number;
}

/** Skips the test where there are no photographs; in CI that is a failure. */
export function needPhotographs(): void {
  if (existsSync(PHOTOGRAPHS)) return;
  expect(process.env.CI, `no photographs at ${PHOTOGRAPHS}: set MASKLENS_DATA`).toBeFalsy();
  test.skip(true, `no photographs at ${PHOTOGRAPHS}: set MASKLENS_DATA`);
}

/** What `python_results.py` says; the answers are written to the file `name`. */
export function runPython(name: string, options: string[]): Python {
  const file = join(OUT, name);
  const result = spawnSync(
    PYTHON,
    [
      join(PROJECT, "web/e2e/python_results.py"),
      PHOTOGRAPHS,
      file,
      ...options,
      ...(BUNDLE === undefined ? [] : ["--bundle", BUNDLE]),
    ],
    { encoding: "utf8", env: { ...process.env, PYTHONPATH: join(PROJECT, "src") } },
  );
  expect(result.status, result.stderr).toBe(0);
  return JSON.parse(readFileSync(file, "utf8")) as Python;
}

/** Pair a picture's faces and compare them; throws when a face has no partner or another label. */
export function compare(python: PythonFace[], browser: FaceJson[], threshold: number, file: string): Difference[] {
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

/** The largest of each difference. */
export function worst(differences: readonly Difference[]): Difference {
  const of = (key: keyof Difference): number => Math.max(...differences.map((d) => d[key]));
  return { box: of("box"), probability: of("probability"), score: of("score") };
}
