/**
 * Moving pictures: the newest frame of a video element goes to the engine, its faces come back to
 * the caller; then the next newest. Nothing queues up, so what is shown is never old.
 */

import type { Face } from "../core/labelling";
import type { Engine } from "../engine/client";
import { enlarged } from "../engine/enlarge";
import type { Labelled } from "../engine/protocol";

/** Sizes at which faces are looked for, in pixels of the longer side. */
const SIDES = [256, 320, 384, 448, 512, 640, 800];
/** Milliseconds per frame: above the first the size goes down, below the second up. */
const TOO_SLOW = 58;
const FAST_ENOUGH = 46;
/** Frames larger than this are scaled down on the way to the engine. */
const LARGEST = 1280;

/** Chooses the size at which faces are looked for from what frames take on this device. */
export class Pace {
  private at = SIDES.indexOf(384);
  private average = 0;
  private frames = 0;

  constructor(private readonly largest: number) {}

  get longSide(): number {
    return Math.min(SIDES[this.at]!, this.largest);
  }

  /** Take note of the time one frame took, in milliseconds. */
  note(time: number): void {
    this.frames += 1;
    if (this.frames < 3) return; // the first runs of a size allocate
    this.average = this.frames === 3 ? time : this.average * 0.8 + time * 0.2;
    if (this.frames < 12) return;
    const larger = SIDES[this.at + 1];
    if (this.average > TOO_SLOW && this.at > 0) this.move(-1);
    else if (larger !== undefined && this.longSide < this.largest) {
      const growth = (larger / SIDES[this.at]!) ** 2;
      if (this.average * growth < FAST_ENOUGH) this.move(1);
    }
  }

  private move(by: number): void {
    this.at += by;
    this.frames = 0;
  }
}

export interface Frame extends Labelled {
  /** Seconds: of the video's own clock. */
  at: number;
}

export class Live {
  private running = false;
  private readonly pace: Pace;
  private readonly ends: number[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly video: HTMLVideoElement,
    longSide: number,
    private readonly onFrame: (frame: Frame) => void,
    private readonly onError: (error: unknown) => void,
  ) {
    this.pace = new Pace(longSide);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.loop().catch((error: unknown) => {
      if (!this.running) return;
      this.running = false;
      this.onError(error);
    });
  }

  stop(): void {
    this.running = false;
  }

  /** Frames a second over the last two seconds. */
  get rate(): number {
    const now = performance.now();
    while (this.ends.length > 0 && this.ends[0]! < now - 2000) this.ends.shift();
    const first = this.ends[0];
    return first === undefined || this.ends.length < 2
      ? 0
      : ((this.ends.length - 1) * 1000) / (this.ends.at(-1)! - first);
  }

  get longSide(): number {
    return this.pace.longSide;
  }

  /** The faces of a picture that was taken from the video, and that stays open. */
  async look(picture: ImageBitmap): Promise<Face[]> {
    const { width, height } = picture;
    const labelled = await this.engine.label(await scaled(picture, width, height), [this.longSide]);
    return enlarged(labelled, width, height).faces;
  }

  private async loop(): Promise<void> {
    let last = -1;
    while (this.running) {
      const at = this.video.currentTime;
      if (at === last || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
        await newFrame(this.video);
        continue;
      }
      last = at;
      const start = performance.now();
      const { videoWidth, videoHeight } = this.video;
      const bitmap = await this.grab();
      if (bitmap === undefined) {
        last = -1;
        await newFrame(this.video);
        continue;
      }
      const labelled = await this.engine.label(bitmap, [this.longSide]);
      if (!this.running) return;
      // Turned meanwhile: these boxes are not where the faces are now.
      if (videoWidth !== this.video.videoWidth || videoHeight !== this.video.videoHeight) continue;
      this.pace.note(performance.now() - start);
      this.ends.push(performance.now());
      this.onFrame({ ...enlarged(labelled, videoWidth, videoHeight), at });
    }
  }

  /** The frame that is shown; none while a video has not drawn its first one yet. */
  private async grab(): Promise<ImageBitmap | undefined> {
    try {
      return await scaled(this.video, this.video.videoWidth, this.video.videoHeight);
    } catch (error) {
      if (error instanceof DOMException && error.name === "InvalidStateError") return undefined;
      throw error;
    }
  }
}

/** A copy of a picture, at most as large as the engine is given. */
function scaled(
  picture: HTMLVideoElement | ImageBitmap,
  width: number,
  height: number,
): Promise<ImageBitmap> {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  if (scale === 1) return createImageBitmap(picture);
  return createImageBitmap(picture, {
    resizeWidth: Math.round(width * scale),
    resizeHeight: Math.round(height * scale),
    resizeQuality: "medium",
  });
}

/** Resolves with the next frame, or soon if there is none: a paused video must not hang a loop. */
function newFrame(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 60);
    if (!("requestVideoFrameCallback" in video)) return;
    video.requestVideoFrameCallback(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
