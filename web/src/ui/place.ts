/**
 * Where labels stand, and how much of them: off other faces and each other, and shorter where there
 * is no room. The counterpart of `masklens.io.draw`.
 */

import { area, intersection, type Box } from "../core/boxes";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * What a shorter text costs, as a share of the area of the whole one: so much of other faces and
 * labels may be covered before it is taken.
 */
const SHORTENED = [0, 0.15, 0.4];

/** Labels together may take this share of the picture, or as much as the faces do. */
const ROOM = 0.12;

/**
 * Which of a face's texts to begin with: in a crowd the whole ones would hide the picture.
 * `texts` are the sizes of each face's labels with the whole text, less, and least.
 */
export function firstText(
  texts: readonly (readonly Size[])[],
  faces: readonly Box[],
  picture: Size,
): number {
  const taken = faces.reduce((sum, face) => sum + area(face), 0);
  const room = Math.max(ROOM * extent(picture), taken);
  const fitting = SHORTENED.findIndex(
    (_, level) => texts.reduce((sum, sizes) => sum + extent(sizes[level]!), 0) <= room,
  );
  return fitting < 0 ? SHORTENED.length - 1 : fitting;
}

/** The text and the place at which a label covers least of other faces and labels. */
export function placeLabel(
  sizes: readonly Size[],
  first: number,
  box: Box,
  picture: Size & { line: number },
  faces: readonly Box[],
  labels: readonly Box[],
): { text: number; place: Box } {
  let best: { text: number; place: Box; cost: number } | undefined;
  for (let text = first; text < SHORTENED.length; text++) {
    const least = SHORTENED[text]! * extent(sizes[0]!);
    for (const place of places(sizes[text]!, box, picture)) {
      const cost = least + covered(place, faces) + 2 * covered(place, labels);
      if (best === undefined || cost < best.cost) best = { text, place, cost };
    }
    if (best !== undefined && best.cost <= least) break;
  }
  return best!;
}

/** Where a label can stand: above, below or inside its box, the best first; never none. */
function places(
  { width, height }: Size,
  [x1, y1, x2, y2]: Box,
  picture: Size & { line: number },
): Box[] {
  const pad = picture.line / 2;
  const inside = (value: number, limit: number): number => Math.max(0, Math.min(value, limit));
  const lefts = [x1 - pad, x2 + pad - width].map((x) => inside(x, picture.width - width));
  const tops = [y1 - pad * 2 - height, y2 + pad * 2, y1 + picture.line * 2];
  const fitting = tops.filter((top) => top >= 0 && top <= picture.height - height);
  const used = fitting.length > 0 ? fitting : [inside(tops[0]!, picture.height - height)];
  return used.flatMap((top) => lefts.map((left): Box => [left, top, left + width, top + height]));
}

/** How much of other rectangles lies under one. */
function covered(place: Box, others: readonly Box[]): number {
  return others.reduce((sum, other) => sum + intersection(place, other), 0);
}

function extent({ width, height }: Size): number {
  return width * height;
}
