/**
 * Looking at a doubtful crop again: at its middle, mirrored; the mean of both answers counts. The
 * page's copy of `masklens.second_look`, tested against it.
 */

import type { SecondLook } from "./card";
import { resize, type Pixels } from "./resize";

/** How much the second answer to one crop counts, 0…0.5; `labels` are the first answer's outputs for them. */
export function secondWeight(labels: readonly number[], look: SecondLook): number {
  const doubt = labels.reduce((sum, p) => sum + p, 0) - Math.max(...labels);
  return Math.min(Math.max((doubt - look.low) / (look.high - look.low), 0), 1) / 2;
}

/** The middle of a crop, mirrored and enlarged to the crop's size; RGB in, RGB out. */
export function secondView(crop: Uint8Array, size: number, cut: number): Uint8Array {
  const mirrored: Pixels = { data: new Uint8ClampedArray(size * size * 4), width: size, height: size };
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = (y * size + size - 1 - x) * 3;
      mirrored.data.set(crop.subarray(from, from + 3), (y * size + x) * 4);
    }
  }
  const side = size - 2 * cut;
  return resize(mirrored, { left: cut, top: cut, width: side, height: side }, size, size, false);
}
