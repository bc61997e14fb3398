/** Unpacking weights, on the models that ship, judged by the runtime that runs them. */

import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web/wasm";
import { describe, expect, test } from "vitest";
import { half, unpackWeights } from "../src/core/onnx";
import { openNetwork } from "../src/engine/network";

const bundle = new URL("../../src/masklens/models/default/", import.meta.url);
const { size } = JSON.parse(readFileSync(new URL("card.json", bundle), "utf8")) as { size: number };
ort.env.wasm.numThreads = 1;

function pixelsOf(shape: readonly number[]): Uint8Array {
  return new Uint8Array(shape.reduce((a, b) => a * b)).map((_, i) => (i * 37) % 251);
}

function valuesOf(shape: readonly number[]): Float32Array {
  return Float32Array.from(pixelsOf(shape), (value) => value / 125 - 1);
}

async function outputs(
  model: Uint8Array,
  tensor: Float32Array | Uint8Array,
  shape: readonly number[],
): Promise<Record<string, Float32Array>> {
  const network = await openNetwork("a model", model, "quick");
  const results = await network.run(tensor, shape);
  await network.close();
  return results;
}

/** How often an operator's name stands in a model. */
function count(model: Uint8Array, operator: string): number {
  return Buffer.from(model).toString("latin1").split(`"${String.fromCharCode(operator.length)}${operator}`).length - 1;
}

describe.each([
  { name: "finder.onnx", shape: [1, 96, 128, 3], scaled: pixelsOf, others: 1 }, // of its pixels
  { name: "classifier.onnx", shape: [2, size, size, 3], scaled: valuesOf, others: 0 },
])("$name", ({ name, shape, scaled, others }) => {
  const packed = new Uint8Array(readFileSync(new URL(name, bundle)));
  const unpacked = unpackWeights(packed);
  test("has no packed weights any more", () => {
    expect(count(packed, "Cast")).toBeGreaterThan(40);
    expect(count(unpacked, "Cast")).toBe(others);
    expect(unpacked.length).toBeGreaterThan(1.8 * packed.length);
  });
  test("says the same", async () => {
    const before = await outputs(packed, scaled(shape), shape);
    const after = await outputs(unpacked, scaled(shape), shape);
    expect(Object.keys(after)).toEqual(Object.keys(before));
    for (const [key, values] of Object.entries(before)) {
      const apart = Array.from(values, (value, i) => Math.abs(value - after[key]![i]!));
      expect(Math.max(...apart), key).toBeLessThan(1e-6);
    }
  }, 60_000);
});

test("a file that takes floats is given pixels as floats", async () => {
  const shape = [2, size, size, 3];
  const model = new Uint8Array(readFileSync(new URL("classifier.onnx", bundle)));
  const pixels = pixelsOf(shape);
  const floats = await outputs(model, Float32Array.from(pixels), shape);
  expect(await outputs(model, pixels, shape)).toEqual(floats);
}, 60_000);

test("a second time there is nothing to unpack", () => {
  const once = unpackWeights(new Uint8Array(readFileSync(new URL("finder.onnx", bundle))));
  expect(Buffer.from(unpackWeights(once)).equals(Buffer.from(once))).toBe(true);
});

test("what is no model comes back as it is", () => {
  const other = new TextEncoder().encode("<!doctype html>");
  expect(unpackWeights(other)).toBe(other);
});

test.each([
  [0x0000, 0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x3555, 0.333251953125],
  [0x0001, 2 ** -24],
  [0x7bff, 65504],
  [0xfc00, -Infinity],
])("half %i", (bits, value) => {
  expect(half(bits)).toBe(value);
});
