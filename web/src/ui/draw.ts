/**
 * Drawing faces on a canvas: boxes with a line pattern per label, and labels that never leave the
 * picture and keep off each other. Used for the view (device pixels) and for saved pictures.
 */

import type { Face } from "../core/labelling";
import { styleOf, type LabelStyle } from "./labels";

type Rectangle = readonly [number, number, number, number];
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
  const taken: Rectangle[] = [];
  const boxes = faces.map((face) => onCanvas(face, drawing));
  for (let i = faces.length - 1; i >= 0; i--) {
    const style = styleOf(drawing.labels[faces[i]!.label] ?? "");
    drawBox(context, boxes[i]!, style, drawing, faces[i] === drawing.marked);
  }
  faces.forEach((face, i) => drawLabel(context, face, boxes[i]!, drawing, taken));
}

function onCanvas({ box }: Face, { scale, mirrored, width }: Drawing): Rectangle {
  const [x1, y1, x2, y2] = box.map((value) => value * scale) as unknown as Rectangle;
  return mirrored ? [width - x2, y1, width - x1, y2] : [x1, y1, x2, y2];
}

function drawBox(
  context: Context,
  [x1, y1, x2, y2]: Rectangle,
  style: LabelStyle,
  { line }: Drawing,
  marked: boolean,
): void {
  const width = marked ? line * 1.8 : line;
  const path = (): void => {
    context.beginPath();
    context.roundRect(x1, y1, x2 - x1, y2 - y1, Math.min(line * 3, (x2 - x1) / 6));
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

function drawLabel(
  context: Context,
  face: Face,
  box: Rectangle,
  drawing: Drawing,
  taken: Rectangle[],
): void {
  const style = styleOf(drawing.labels[face.label] ?? "");
  const [least, most] = drawing.letters;
  const size = Math.min(Math.max((box[2] - box[0]) / 6, least), most);
  const track = face.track === undefined ? "" : `#${face.track} `;
  const text = `${track}${style.short} ${Math.round(face.score * 100)}%`;
  context.font = `600 ${size}px ${FONT}`;
  context.textBaseline = "middle";
  const pad = size * 0.4;
  const sign = style.sign.length > 0 ? size : 0;
  const width = Math.min(pad * 2 + sign * 1.2 + context.measureText(text).width, drawing.width);
  const height = size * 1.55;
  const [left, top] = place(width, height, box, drawing, taken);
  taken.push([left, top, left + width, top + height]);
  context.fillStyle = style.colour;
  context.beginPath();
  context.roundRect(left, top, width, height, size * 0.3);
  context.fill();
  context.fillStyle = style.ink;
  context.fillText(text, left + pad + sign * 1.2, top + height / 2 + size * 0.05);
  drawSign(context, style, left + pad, top + (height - sign) / 2, sign);
}

function drawSign(context: Context, style: LabelStyle, x: number, y: number, size: number): void {
  context.strokeStyle = style.ink;
  context.lineWidth = size / 7;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.beginPath();
  for (const [moves, px, py] of style.sign) {
    const at: [number, number] = [x + (px / 24) * size, y + (py / 24) * size];
    if (moves) context.moveTo(...at);
    else context.lineTo(...at);
  }
  context.stroke();
}

/** Left and top of a label: above, below or inside its box, off the other labels if it can. */
function place(
  width: number,
  height: number,
  [x1, y1, x2, y2]: Rectangle,
  drawing: Drawing,
  taken: readonly Rectangle[],
): readonly [number, number] {
  const pad = drawing.line / 2;
  const inside = (value: number, limit: number): number => Math.max(0, Math.min(value, limit));
  const lefts = [x1 - pad, x2 + pad - width].map((x) => inside(x, drawing.width - width));
  const tops = [y1 - pad * 2 - height, y2 + pad * 2, y1 + drawing.line * 2];
  const candidates = tops
    .filter((top) => top >= 0 && top <= drawing.height - height)
    .flatMap((top) => lefts.map((left) => [left, top] as const));
  const free = candidates.find(
    ([left, top]) =>
      !taken.some(
        (other) =>
          left < other[2] && other[0] < left + width && top < other[3] && other[1] < top + height,
      ),
  );
  return free ?? candidates[0] ?? [lefts[0]!, inside(tops[0]!, drawing.height - height)];
}

const FONT = '"Avenir Next", "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif';

/** Line and letters for a picture that is saved: they follow its size, as in Python. */
export function savedDrawing(width: number, height: number, labels: readonly string[]): Drawing {
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
