/**
 * Around the face finder's network: a picture becomes its input, its output becomes boxes.
 * The counterpart of `masklens.faces`; the tensors are those of docs/bundle.md.
 */

import { overlap, type Box } from "./boxes";
import type { FinderCard } from "./card";
import { resize, roundHalfEven, type Pixels } from "./resize";

/** At most this many faces per picture, best first. */
export const MAX_FACES = 500;

export interface FinderInput {
  /** (1, height, width, 3), RGB, 0…255. */
  tensor: Uint8Array;
  width: number;
  height: number;
  /** Pixels of the input per pixel of the picture. */
  scale: number;
}

/** What is used of the network's outputs for all cells, the strides one after the other, each row by row. */
export interface FinderOutput {
  face: Float32Array;
  box: Float32Array;
}

export interface FoundFace {
  box: Box;
  /** 0…1; how sure the finder is. */
  score: number;
}

/**
 * Scale a picture so that its longer side is `longSide`, but at most by `maxScale`, and pad it to
 * multiples of `multiple`.
 */
export function finderInput(
  picture: Pixels,
  longSide: number,
  { multiple, maxScale }: Pick<FinderCard, "multiple" | "maxScale">,
): FinderInput {
  const scale = Math.min(longSide / Math.max(picture.width, picture.height), maxScale);
  const width = Math.max(1, roundHalfEven(picture.width * scale));
  const height = Math.max(1, roundHalfEven(picture.height * scale));
  const whole = { left: 0, top: 0, width: picture.width, height: picture.height };
  const resized = resize(picture, whole, width, height, scale < 1);
  const paddedWidth = Math.ceil(width / multiple) * multiple;
  const paddedHeight = Math.ceil(height / multiple) * multiple;
  const tensor = new Uint8Array(paddedWidth * paddedHeight * 3);
  for (let y = 0; y < height; y++) {
    tensor.set(resized.subarray(y * width * 3, (y + 1) * width * 3), y * paddedWidth * 3);
  }
  return { tensor, width: paddedWidth, height: paddedHeight, scale };
}

/** Decode the network's outputs into faces of the picture, best first, overlaps removed. */
export function foundFaces(
  output: FinderOutput,
  input: FinderInput,
  picture: { width: number; height: number },
  card: FinderCard,
): FoundFace[] {
  const faces: FoundFace[] = [];
  let cell = 0;
  for (const stride of card.strides) {
    const columns = input.width / stride;
    const rows = input.height / stride;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, cell++) {
        const score = output.face[cell]!;
        if (score < card.minScore) continue;
        // Rounded to 32 bits wherever Python's arrays are, so that crops get the same pixels.
        const pixel = (value: number, place: number): number =>
          Math.fround(Math.fround(Math.fround(place + value) * stride) / input.scale);
        const [x1, y1, x2, y2] = output.box.subarray(cell * 4, cell * 4 + 4) as unknown as Box;
        faces.push({
          box: [
            clip(pixel(x1, column), picture.width),
            clip(pixel(y1, row), picture.height),
            clip(pixel(x2, column), picture.width),
            clip(pixel(y2, row), picture.height),
          ],
          score,
        });
      }
    }
  }
  return suppress(faces, card.nmsIou)
    .slice(0, MAX_FACES)
    .filter(({ box }) => box[2] > box[0] && box[3] > box[1]);
}

/** Greedy non-maximum suppression: a face that overlaps a better one by more is dropped. */
export function suppress(faces: readonly FoundFace[], iou: number): FoundFace[] {
  const kept: FoundFace[] = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score)) {
    if (kept.every((better) => overlap(better.box, face.box) <= iou)) kept.push(face);
  }
  return kept;
}

function clip(value: number, limit: number): number {
  return Math.min(Math.max(value, 0), limit);
}
