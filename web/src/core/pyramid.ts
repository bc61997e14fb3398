/**
 * Faces at several working sizes: the smallest for large faces, the others for small ones. The
 * counterpart of `masklens.pyramid`; and what size is worth while for a large picture.
 */

import type { FinderCard } from "./card";
import { MAX_FACES, suppress, type FoundFace } from "./finder";
import { roundHalfEven } from "./resize";

/**
 * Of a larger working size only faces up to this many pixels there are taken: parts of faces that
 * fill the picture look like faces to it.
 */
const MAX_SIDE = 192;

/** Where a picture is smaller than this times a working size, a larger one gains nothing. */
const MIN_GAIN = 4 / 3;

/**
 * Pictures at least this many times as large as a working size lose a third of the faces of 16 to
 * 32 px. Unless told otherwise, they are searched at so many times that size, too.
 */
const LARGE = 2;

/** More than this many pixels are not proposed, because phones have no memory for it. */
const MAX_CLOSER = 2112;

/** Search a picture at one working size in pixels. */
type Search = (longSide: number, card: FinderCard) => Promise<FoundFace[]>;

/**
 * The faces of a picture whose longer side is `longer` pixels, searched at each of the sizes that
 * gains something, best first.
 */
export async function searchSizes(
  longer: number,
  sizes: readonly number[],
  card: FinderCard,
  search: Search,
): Promise<FoundFace[]> {
  const rising = [...new Set(sizes)].sort((a, b) => a - b);
  const found: FoundFace[] = [];
  for (const [i, size] of rising.entries()) {
    if (i === 0) {
      found.push(...(await search(size, card)));
      continue;
    }
    if (longer < rising[i - 1]! * MIN_GAIN) break;
    const limit = MAX_SIDE * Math.max(1, longer / size);
    // The smallest size enlarges small pictures where that helps; once is enough.
    const faces = await search(size, { ...card, maxScale: Math.min(card.maxScale, 1) });
    found.push(...faces.filter(({ box }) => Math.max(box[2] - box[0], box[3] - box[1]) <= limit));
  }
  return suppress(found, card.nmsIou).slice(0, MAX_FACES);
}

/** The sizes for a picture whose longer side is `longer` pixels, unless told otherwise. */
export function usualSizes(longer: number, usual: number): number[] {
  return longer < LARGE * usual ? [usual] : [usual, LARGE * usual];
}

/**
 * The sizes that find more than those a picture was searched at, as `masklens detect` names them;
 * undefined where there is nothing to gain.
 */
export function closerSizes(longer: number, searched: readonly number[]): number[] | undefined {
  const usual = Math.min(...searched);
  const sizes = [usual, closerSize(longer, usual) ?? usualSizes(longer, usual)[1] ?? usual];
  return sizes[1]! > Math.max(...searched) ? sizes : undefined;
}

/** The second size for a picture so large that small faces are lost at the usual ones. */
export function closerSize(longer: number, usual: number): number | undefined {
  if (longer <= LARGE * LARGE * usual) return undefined;
  // At two thirds of a picture's size nearly all is found that can be.
  const size = Math.min(usual * Math.min(roundHalfEven((longer * 2) / 3 / usual), 4), MAX_CLOSER);
  return size > LARGE * usual ? size : undefined;
}
