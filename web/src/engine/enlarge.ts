/** Faces of a picture that was scaled down on its way to the networks, in pixels of the original. */

import type { Face } from "../core/labelling";

/** Sizes and faces of a scaled picture become those of the original, which is `width` × `height`. */
export function enlarged<T extends { width: number; height: number; faces: readonly Face[] }>(
  scaled: T,
  width: number,
  height: number,
): T & { faces: Face[] } {
  const by = width / scaled.width;
  const faces = by === 1 ? [...scaled.faces] : scaled.faces.map((face) => enlargedFace(face, by));
  return { ...scaled, width, height, faces };
}

function enlargedFace(face: Face, by: number): Face {
  const [x1, y1, x2, y2] = face.box;
  return { ...face, box: [x1 * by, y1 * by, x2 * by, y2 * by] };
}
