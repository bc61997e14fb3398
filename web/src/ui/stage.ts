/**
 * The picture and the boxes upon it. The view keeps the picture's proportions; boxes are drawn in
 * the screen's own pixels, so that lines and words stay sharp.
 */

import type { Face } from "../core/labelling";
import { byId, say } from "./dom";
import { drawFaces } from "./draw";
import { percent, styleOf } from "./labels";

/** Pictures are shown with at most this many pixels on the longer side. */
const SHOWN = 2400;
/** The shape of a stage without a picture. */
const EMPTY = { width: 4, height: 3 };

export class Stage {
  private readonly frame = byId("frame");
  private readonly picture = byId<HTMLCanvasElement>("picture");
  private readonly overlay = byId<HTMLCanvasElement>("overlay");
  private readonly video = byId<HTMLVideoElement>("video");
  private readonly notice = byId("notice");
  /** Of what is shown, in its own pixels. */
  size = EMPTY;
  private faces: readonly Face[] = [];
  private marked: Face | undefined;
  mirrored = false;
  labels: readonly string[] = [];

  constructor() {
    new ResizeObserver(() => this.draw()).observe(this.frame);
  }

  /** Show a picture, which is closed, without boxes yet. */
  showPicture(bitmap: ImageBitmap): void {
    const scale = Math.min(1, SHOWN / Math.max(bitmap.width, bitmap.height));
    this.picture.width = Math.max(1, Math.round(bitmap.width * scale));
    this.picture.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = this.picture.getContext("2d")!;
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, this.picture.width, this.picture.height);
    context.drawImage(bitmap, 0, 0, this.picture.width, this.picture.height);
    this.setKind("picture", bitmap.width, bitmap.height);
    bitmap.close();
  }

  /** Show nothing: there is no picture, or not yet; in the shape of the one that comes, if it is known. */
  showNothing({ width, height } = EMPTY): void {
    this.setKind("picture", width, height);
    this.picture.hidden = true;
  }

  /** Show the video element, whose size is known by now. */
  showVideo(mirrored: boolean): void {
    this.mirrored = mirrored;
    this.frame.classList.toggle("mirrored", mirrored);
    this.setKind("video", this.video.videoWidth || 4, this.video.videoHeight || 3);
  }

  /** Boxes for what is shown. */
  showFaces(faces: readonly Face[]): void {
    this.faces = faces;
    const track = this.marked?.track;
    if (track !== undefined) this.marked = faces.find((face) => face.track === track);
    this.overlay.setAttribute("aria-label", describe(faces, this.labels));
    this.draw();
  }

  /** Point at a face, or at none. */
  mark(face: Face | undefined): void {
    this.marked = face;
    this.draw();
  }

  /** A sentence instead of a picture. */
  showNotice(message: string | undefined): void {
    this.notice.hidden = message === undefined;
    say(this.notice, message ?? "");
  }

  private setKind(kind: "picture" | "video", width: number, height: number): void {
    if (kind === "picture") {
      this.mirrored = false;
      this.frame.classList.remove("mirrored");
    }
    this.picture.hidden = kind !== "picture";
    this.video.hidden = kind !== "video";
    this.size = { width, height };
    this.frame.style.setProperty("--ratio", String(width / height));
    this.showFaces([]);
  }

  private draw(): void {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.frame.clientWidth * ratio);
    const height = Math.round(this.frame.clientHeight * ratio);
    if (width === 0 || height === 0) return;
    if (this.overlay.width !== width || this.overlay.height !== height) {
      this.overlay.width = width;
      this.overlay.height = height;
    }
    const context = this.overlay.getContext("2d")!;
    context.clearRect(0, 0, width, height);
    drawFaces(context, this.faces, {
      width,
      height,
      scale: width / this.size.width,
      mirrored: this.mirrored,
      labels: this.labels,
      letters: [11 * ratio, 15 * ratio],
      line: 2.5 * ratio,
      marked: this.marked,
    });
  }
}

/** The picture in words, for those who do not see it. */
export function describe(faces: readonly Face[], labels: readonly string[]): string {
  if (faces.length === 0) return "No faces";
  const words = faces.slice(0, 12).map((face) => {
    const { short } = styleOf(labels[face.label] ?? "");
    return `${short} ${percent(face.score)}`;
  });
  const more = faces.length > 12 ? ` and ${faces.length - 12} more` : "";
  return `${faces.length} ${faces.length === 1 ? "face" : "faces"}: ${words.join(", ")}${more}`;
}
