/**
 * Drawing faces on a canvas: boxes with a line pattern per label, and labels that never leave the
 * picture and keep off faces and each other. Used for the view (device pixels) and for saved pictures.
 */

import type { Box } from "../core/boxes";
import type { Face } from "../core/labelling";
import { strokesOf } from "./dom";
import { styleOf, type LabelStyle } from "./labels";
import { firstText, placeLabel, type Size } from "./place";

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

export interface Drawing {
  /** Size of the canvas in its own pixels. */
  width: number;
  height: number;
  /** Canvas pixels per pixel of the picture. */
  scale: number;
  /** The picture is shown mirrored: boxes are too, words are not. */
  mirrored?: boolean;
  labels: readonly string[];
  /** Height of the letters in canvas pixels, within which the size follows the face. */
  letters: readonly [number, number];
  line: number;
  /** This face is pointed at. */
  marked?: Face | undefined;
}

/** Draw boxes and labels; the surest faces on top. */
export function drawFaces(context: Context, faces: readonly Face[], drawing: Drawing): void {
  const boxes = faces.map((face) => onCanvas(face, drawing));
  for (let i = faces.length - 1; i >= 0; i--) {
    const style = styleOf(drawing.labels[faces[i]!.label] ?? "");
    drawBox(context, boxes[i]!, style, drawing, faces[i] === drawing.marked);
  }
  const words = faces.map((face, i) => measured(context, face, boxes[i]!, drawing));
  const first = firstText(words.map(({ sizes }) => sizes), boxes, drawing);
  const taken: Box[] = [];
  words.forEach((label, i) => {
    const picture = { ...drawing, line: lineOf(boxes[i]!, drawing) };
    const { text, place } = placeLabel(label.sizes, first, i, picture, boxes, taken);
    taken.push(place);
    drawLabel(context, label, text, place);
  });
}

function onCanvas({ box }: Face, { scale, mirrored, width }: Drawing): Box {
  const [x1, y1, x2, y2] = box.map((value) => value * scale) as unknown as Box;
  return mirrored ? [width - x2, y1, width - x1, y2] : [x1, y1, x2, y2];
}

/** A box's line takes at most this share of its shorter side, as in Python. */
const LINE_SHARE = 0.05;

/** How wide the line of a box is. */
function lineOf([x1, y1, x2, y2]: Box, { line }: { line: number }): number {
  return Math.max(1, Math.min(line, LINE_SHARE * Math.min(x2 - x1, y2 - y1)));
}

function drawBox(context: Context, box: Box, style: LabelStyle, drawing: Drawing, marked: boolean): void {
  const [x1, y1, x2, y2] = box;
  const thin = lineOf(box, drawing);
  const width = marked ? thin * 1.8 : thin;
  const path = (): void => {
    context.beginPath();
    context.roundRect(x1, y1, x2 - x1, y2 - y1, Math.min(thin * 3, (x2 - x1) / 6));
    context.stroke();
  };
  context.lineCap = "butt";
  // A dark line beneath keeps the coloured one visible on any background.
  context.setLineDash([]);
  context.strokeStyle = "rgba(0, 0, 0, 0.35)";
  context.lineWidth = width * 1.5;
  path();
  context.setLineDash(style.dash.map((part) => part * width));
  context.strokeStyle = style.colour;
  context.lineWidth = width;
  path();
  context.setLineDash([]);
  if (marked) {
    context.fillStyle = "rgba(255, 255, 255, 0.16)";
    context.fillRect(x1, y1, x2 - x1, y2 - y1);
  }
}

/** A face's label: what can be written on it, and how large it is then. */
interface Words {
  style: LabelStyle;
  texts: readonly [string, string, string];
  sizes: readonly Size[];
  /** Height of the letters. */
  letters: number;
  font: string;
  pad: number;
  /** The sign's strokes, and its side; nothing and 0 where the label has none. */
  strokes: Path2D | undefined;
  sign: number;
}

function measured(context: Context, face: Face, box: Box, drawing: Drawing): Words {
  const label = drawing.labels[face.label] ?? "";
  const style = styleOf(label);
  const [least, most] = drawing.letters;
  const letters = Math.min(Math.max((box[2] - box[0]) / 6, least), most);
  const track = face.track === undefined ? "" : `#${face.track} `;
  const short = `${track}${style.short}`;
  const font = `600 ${letters}px ${FONT}`;
  const pad = letters * 0.4;
  const strokes = strokesOf(label);
  const sign = strokes === undefined ? 0 : letters;
  // Least of all the sign alone, where the label has one.
  const texts = [`${short} ${Math.round(face.score * 100)}%`, short, sign > 0 ? "" : style.short] as const;
  context.font = font;
  const sizes = texts.map((text) => {
    const space = text === "" ? sign : sign * 1.2 + context.measureText(text).width;
    return { width: Math.min(pad * 2 + space, drawing.width), height: letters * 1.55 };
  });
  return { style, texts, sizes, letters, font, pad, strokes, sign };
}

function drawLabel(
  context: Context,
  { style, texts, letters, font, pad, strokes, sign }: Words,
  text: number,
  [left, top, right, bottom]: Box,
): void {
  const middle = (top + bottom) / 2;
  context.font = font;
  context.textBaseline = "middle";
  context.fillStyle = style.colour;
  context.beginPath();
  context.roundRect(left, top, right - left, bottom - top, letters * 0.3);
  context.fill();
  context.fillStyle = style.ink;
  context.fillText(texts[text]!, left + pad + sign * 1.2, middle + letters * 0.05);
  if (strokes === undefined) return;
  context.save();
  context.translate(left + pad, middle - sign / 2);
  context.scale(sign / 24, sign / 24);
  context.strokeStyle = style.ink;
  context.lineWidth = 24 / 7;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.stroke(strokes);
  context.restore();
}

const FONT = '"Avenir Next", "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif';

/** A picture, which is closed, with its boxes at its full size, as a file. */
export async function savedPicture(
  bitmap: ImageBitmap,
  faces: readonly Face[],
  labels: readonly string[],
  type: "image/png" | "image/jpeg",
): Promise<Blob> {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d")!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  drawFaces(context, faces, savedDrawing(canvas.width, canvas.height, labels));
  return canvas.convertToBlob({ type, quality: 0.92 });
}

/** Line and letters for a picture that is saved: they follow its size, as in Python. */
function savedDrawing(width: number, height: number, labels: readonly string[]): Drawing {
  const longer = Math.max(width, height);
  const most = Math.max(12, Math.round(longer / 40));
  return {
    width,
    height,
    scale: 1,
    labels,
    letters: [Math.min(11, most), most],
    line: Math.max(1, Math.round(longer / 400)),
  };
}
