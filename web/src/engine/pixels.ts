/**
 * From what a browser can decode to pixels: files, camera frames and video frames.
 */

import type { Pixels } from "../core/resize";

/** Larger pictures are scaled down when they are decoded; phones have no memory for more. */
const MAX_PIXELS = 24_000_000;

export class PictureError extends Error {}

export interface Decoded {
  pixels: Pixels;
  /** Size of the upright original. */
  width: number;
  height: number;
}

let canvas: OffscreenCanvas | undefined;
let context: OffscreenCanvasRenderingContext2D | undefined;

/**
 * Decode a picture file: upright (EXIF), transparency laid on white, of an animation the first
 * frame. Colour profiles are left aside, as in Python.
 */
export async function decodePicture(file: Blob): Promise<Decoded> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new PictureError(
      file.size === 0
        ? "The file is empty."
        : "This browser cannot read the file: it is damaged, too large or no picture. Try another JPEG, PNG or WebP.",
    );
  }
  const { width, height } = bitmap;
  const { pixels } = readBitmap(bitmap, true);
  return { pixels, width, height };
}

/** The pixels of a bitmap, which is closed. */
export function readBitmap(bitmap: ImageBitmap, onWhite = false): { pixels: Pixels } {
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (bitmap.width * bitmap.height)));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  if (canvas === undefined || canvas.width !== width || canvas.height !== height) {
    canvas = new OffscreenCanvas(width, height);
    context = canvas.getContext("2d", { willReadFrequently: true }) ?? undefined;
  }
  if (context === undefined) throw new PictureError("This browser gives no canvas to work on.");
  context.imageSmoothingQuality = "high";
  if (onWhite) {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width, height);
  if (width * height > 4_000_000) canvas = undefined; // do not hold on to a large picture
  return { pixels };
}
