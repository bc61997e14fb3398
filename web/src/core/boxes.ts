/** Arithmetic on boxes; the counterpart of `masklens.boxes`. */

/** x1, y1, x2, y2 in pixels. */
export type Box = readonly [number, number, number, number];

/** Intersection over union of two boxes, 0…1. */
export function overlap(a: Box, b: Box): number {
  const shared = intersection(a, b);
  const union = area(a) + area(b) - shared;
  return union > 0 ? shared / union : 0;
}

/** The area that two boxes have in common. */
export function intersection(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}

/** Width times height of a box. */
export function area([x1, y1, x2, y2]: Box): number {
  return (x2 - x1) * (y2 - y1);
}
