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
 * What a shorter text costs, as a share of the area of the whole one: so much of faces may be
 * covered before it is taken.
 */
const SHORTENED = [0, 0.07, 0.2];

/** What a covered pixel of another label costs, in those of faces: a number that is cut is another. */
const WORDS = 5;

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

/** The text and the place at which the label of a row's face covers least of faces and labels. */
export function placeLabel(
  sizes: readonly Size[],
  first: number,
  row: number,
  picture: Size & { line: number },
  faces: readonly Box[],
  labels: readonly Box[],
): { text: number; place: Box } {
  let best: { text: number; place: Box; cost: number } | undefined;
  for (let text = first; text < SHORTENED.length; text++) {
    const least = SHORTENED[text]! * extent(sizes[0]!);
    for (const place of places(sizes[text]!, faces[row]!, picture)) {
      const cost = least + hidden(place, faces, row) + WORDS * covered(place, labels);
      if (best === undefined || cost < best.cost) best = { text, place, cost };
    }
    if (best !== undefined && best.cost <= least) break;
  }
  return best!;
}

/** Where a label can stand: above, below or beside its box, the best first. */
function places(
  { width, height }: Size,
  [x1, y1, x2, y2]: Box,
  picture: Size & { line: number },
): Box[] {
  const pad = picture.line / 2;
  const within = (value: number, limit: number): number => Math.max(0, Math.min(value, limit));
  const lefts = [x1 - pad, x2 + pad - width];
  const corners = [y1 - pad * 2 - height, y2 + pad * 2].flatMap((top) => lefts.map((left) => [left, top] as const));
  corners.push([x2 + pad * 2, y1 - pad], [x1 - pad * 2 - width, y1 - pad]);
  return corners.map(([x, y]): Box => {
    const left = within(x, picture.width - width);
    const top = within(y, picture.height - height);
    return [left, top, left + width, top + height];
  });
}

/**
 * How much of the faces lies under a label. A close-up can spare the strip that its own label takes;
 * what hides a small face hides all.
 */
function hidden(place: Box, faces: readonly Box[], row: number): number {
  return faces.reduce((sum, face, i) => {
    const common = intersection(place, face);
    return sum + (i === row ? common * (common / Math.max(area(face), 1)) : common);
  }, 0);
}

/** How much of other rectangles lies under one. */
function covered(place: Box, others: readonly Box[]): number {
  return others.reduce((sum, other) => sum + intersection(place, other), 0);
}

function extent({ width, height }: Size): number {
  return width * height;
}
