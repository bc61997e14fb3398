/** Scaling, cropping and decoding against what OpenCV and Python make of the same pixels. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Box } from "../src/core/boxes";
import { cropFace, cropSquare } from "../src/core/crop";
import { refinedBox, withTemperature } from "../src/core/labelling";
import { resize, roundHalfEven, type Pixels } from "../src/core/resize";
import { secondView, secondWeight } from "../src/core/second-look";

interface Fixture {
  width: number;
  height: number;
  picture: number[];
  scaled: { size: [number, number]; shrink: boolean; pixels: number[] }[];
  half: number[];
  crops: { box: Box; square: [number, number, number]; pixels: number[] }[];
  shares: number[][];
  refined: number[][];
  softened: number[];
  second: {
    cut: number;
    views: number[][];
    opinions: number[][];
    weights: number[];
  };
}

const python = JSON.parse(
  readFileSync(new URL("fixtures/python.json", import.meta.url), "utf8"),
) as Fixture;
const { width, height } = python;

const picture: Pixels = { width, height, data: new Uint8ClampedArray(width * height * 4) };
for (let i = 0; i < width * height; i++) {
  picture.data.set([...python.picture.slice(i * 3, i * 3 + 3), 255], i * 4);
}
const whole = { left: 0, top: 0, width, height };

function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}

describe("scaling", () => {
  test.each(python.scaled)("to $size as OpenCV", ({ size: [w, h], shrink, pixels }) => {
    expect(furthest(resize(picture, whole, w, h, shrink), pixels)).toBeLessThanOrEqual(1);
  });
  test("to half the size as OpenCV, to the last bit", () => {
    const part = { left: 0, top: 0, width: 52, height: 36 };
    expect(furthest(resize(picture, part, 26, 18, true), python.half)).toBe(0);
  });
  test("halves go to the even neighbour", () => {
    expect([0.5, 1.5, 2.5, -1.5, 2.4].map(roundHalfEven)).toEqual([0, 2, 2, -2, 2]);
  });
});

describe("cropping", () => {
  test.each(python.crops)("$box as Python", ({ box, square, pixels }) => {
    const { left, top, side } = cropSquare(box, 0.2);
    expect([left, top, side]).toEqual(square);
    expect(furthest(cropFace(picture, box, 16, 0.2), pixels)).toBeLessThanOrEqual(1);
  });
});

describe("the classifier's output", () => {
  test("boxes go back into the picture as in Python", () => {
    python.crops.forEach(({ box }, i) => {
      const refined = refinedBox(box, python.shares[i]!, 0.2, { width, height });
      expect(furthest(refined, python.refined[i]!)).toBeLessThan(1e-4);
    });
  });
  test("temperature as in Python", () => {
    expect(furthest(withTemperature([0.7, 0.2, 0.1, 0], 0.8766), python.softened)).toBeLessThan(1e-6);
  });
});

describe("the second look", () => {
  const { cut, views, opinions, weights } = python.second;
  test.each(python.crops)("of the crop at $box sees what Python sees", (crop) => {
    const view = secondView(Uint8Array.from(crop.pixels), 16, cut);
    expect(furthest(view, views[python.crops.indexOf(crop)]!)).toBeLessThanOrEqual(1);
  });
  test("counts as much as in Python", () => {
    const look = { low: 0.1, high: 0.3, cut };
    const ours = opinions.map((outputs) => secondWeight(outputs.slice(0, 3), look));
    expect(furthest(ours, weights)).toBeLessThan(1e-5);
    expect(new Set(weights).size).toBeGreaterThan(2);
  });
});
