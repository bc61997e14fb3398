/**
 * From what a browser can decode to pixels: files, camera frames and video frames.
 */

import { isCutOff } from "../core/cut-off";
import type { Pixels } from "../core/resize";

/** Larger pictures are scaled down when they are decoded; phones have no memory for more. */
const MAX_PIXELS = 24_000_000;

interface Decoded {
  pixels: Pixels;
  /** Size of the upright original. */
  width: number;
  height: number;
}

/** Of the canvas that pictures are drawn on. */
let context: OffscreenCanvasRenderingContext2D | null = null;

/**
 * Decode a picture file: upright (EXIF), transparency laid on white, of an animation the first
 * frame. Colour profiles are left aside, as in Python.
 */
export async function decodePicture(file: Blob): Promise<Decoded> {
  let bitmap: ImageBitmap;
  const content = await file.arrayBuffer().catch(() => new ArrayBuffer()); // gone, or too large
  if (isCutOff(new Uint8Array(content))) {
    throw new Error("The file was cut off: its end is missing. Copy or download it again.");
  }
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(
      file.size === 0
        ? "The file is empty."
        : "This browser cannot read the file: it is damaged, too large, no picture, or of a format that it does not know, such as HEIC. Try JPEG, PNG or WebP.",
    );
  }
  return readBitmap(bitmap);
}

/** The pixels of a bitmap, which is closed. */
export function readBitmap(bitmap: ImageBitmap): Decoded {
  const original = { width: bitmap.width, height: bitmap.height };
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (original.width * original.height)));
  const width = Math.max(1, Math.round(original.width * scale));
  const height = Math.max(1, Math.round(original.height * scale));
  if (context?.canvas.width !== width || context.canvas.height !== height) {
    context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  }
  if (context === null) throw new Error("This browser gives no canvas to work on.");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width, height);
  if (width * height > 4_000_000) context = null; // do not hold on to a large picture
  return { pixels, ...original };
}
