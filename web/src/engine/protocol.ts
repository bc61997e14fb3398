/** What page and worker say to each other. Every request has a number, which the answer repeats. */

import type { Card } from "../core/card";
import type { Face } from "../core/labelling";

export type Request =
  | { id: number; kind: "load"; model: string }
  // The runtime, compiled, or why there is none.
  | { id: number; kind: "runtime"; runtime: WebAssembly.Module | Error }
  // A file or a frame; faces are looked for at these sizes in pixels, or at the usual ones.
  | { id: number; kind: "label"; picture: Blob | ImageBitmap; longSides: number[] | undefined };

/** Faces of a picture, in pixels of the upright original. */
export interface Labelled {
  width: number;
  height: number;
  /** Best first, none left out for its score. */
  faces: Face[];
  /** The sizes in pixels that faces were looked for at. */
  longSides: number[];
}

export type Answer =
  | { id: number; kind: "card"; card: Card }
  | { id: number; kind: "taken" }
  | { id: number; kind: "labelled"; result: Labelled }
  | { id: number; kind: "error"; message: string };
