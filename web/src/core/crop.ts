/**
 * Cutting a face out of a picture: the page's copy of `masklens.crop`, tested against it.
 */

import type { Box } from "./boxes";
import { resize, roundHalfEven, type Pixels } from "./resize";

export interface Square {
  left: number;
  top: number;
  side: number;
}

/** The square that is cut for a box, in whole pixels; it may reach outside the picture. */
export function cropSquare([x1, y1, x2, y2]: Box, margin: number): Square {
  const side = Math.max(1, roundHalfEven(Math.max(x2 - x1, y2 - y1) * (1 + 2 * margin)));
  return {
    left: Math.floor((x1 + x2 - side) / 2 + 0.5),
    top: Math.floor((y1 + y2 - side) / 2 + 0.5),
    side,
  };
}

/**
 * Cut one face as a square, centred on its box, and scale it to size × size.
 * What lies outside the picture repeats its border. Returns RGB, 8 bits each.
 */
export function cropFace(picture: Pixels, box: Box, size: number, margin: number): Uint8Array {
  const { left, top, side } = cropSquare(box, margin);
  const window = { left, top, width: side, height: side };
  return resize(picture, window, size, size, side > size);
}
