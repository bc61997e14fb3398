/**
 * Camera and clips: both are a video element with faces that are tracked from frame to frame.
 */

import type { Face } from "../core/labelling";
import { Tracks } from "../core/tracks";
import type { Engine } from "../engine/client";
import {
  cameras,
  choices,
  hasTorch,
  looksAway,
  nextCamera,
  openCamera,
  switchTorch,
  whichOf,
  type Which,
} from "./camera";
import { byId } from "./dom";
import { keepScreenOn } from "./host";
import { Live, type Frame } from "./live";
import type { Stage } from "./stage";

export interface Watcher {
  /** Faces are followed from here on: what was kept of a clip so far is void. */
  onBegin(): void;
  /** A new frame, none of its faces left out; they are `followed`, or the clip is only looked at. */
  onFrame(frame: Frame, followed: boolean): void;
  /** It stands still now: frozen, paused or at its end. */
  onStill(): void;
  /** An Error, or a sentence. */
  onError(error: unknown): void;
  threshold(): number;
}

export class Cinema {
  private readonly video = byId<HTMLVideoElement>("video");
  private live: Live | undefined;
  private tracks: Tracks | undefined;
  private stream: MediaStream | undefined;
  private which: Which = { facingMode: "user" };
  private cameras: Which[] = [];
  private torchOn = false;
  /** Which opening is the current one: the person may be gone before a camera has answered. */
  private opening = 0;
  /** The last frame that was looked at. */
  last: Frame | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly stage: Stage,
    private readonly watcher: Watcher,
  ) {
    byId("flip").addEventListener("click", () => {
      this.which = nextCamera(this.which, this.cameras);
      void this.openCamera();
    });
    byId("torch").addEventListener("click", () => void this.torch(!this.torchOn));
    for (const id of ["freeze", "play"]) byId(id).addEventListener("click", () => this.playOrPause());
    const seek = byId<HTMLInputElement>("seek");
    seek.addEventListener("input", () => {
      const to = Number(seek.value) * this.video.duration;
      this.mend();
      this.video.currentTime = to;
    });
    for (const event of ["timeupdate", "durationchange"]) {
      this.video.addEventListener(event, () => this.showTime());
    }
    this.video.addEventListener("resize", () => this.turn());
    this.video.addEventListener("error", () => this.breakOff());
    this.video.addEventListener("pause", () => this.open && this.watcher.onStill());
    for (const event of ["play", "pause", "ended"]) {
      this.video.addEventListener(event, () => this.showPlaying());
    }
    setInterval(() => this.showRate(), 500);
  }

  get still(): boolean {
    return this.video.paused;
  }

  get frozen(): boolean {
    return this.stream !== undefined && this.still;
  }

  /** Open the camera, or open it again: who was counted stays counted. */
  async openCamera(): Promise<void> {
    const opening = this.begin();
    this.tracks?.turn();
    try {
      const card = await this.engine.card;
      const stream = await openCamera(this.which);
      this.cameras = choices(await cameras());
      if (opening !== this.opening) return stop(stream);
      this.stream = stream;
      const track = stream.getVideoTracks()[0]!;
      track.addEventListener("ended", () => this.takenAway());
      this.video.srcObject = stream;
      await this.video.play();
      this.which = whichOf(track);
      // A computer's camera, which does not say where it looks, looks at the person.
      this.stage.showVideo(!looksAway(this.which));
      byId("torch").hidden = !hasTorch(track);
      byId("flip").hidden = this.cameras.length < 2;
      void keepScreenOn(true);
      this.follow();
      this.watch(card.finder.longSide);
    } catch (error) {
      if (opening === this.opening) this.fail(error);
    }
  }

  /** Show a clip from its beginning, playing or not. */
  async openClip(file: Blob, playing: boolean): Promise<void> {
    this.tracks = undefined;
    const opening = this.begin();
    try {
      const card = await this.engine.card;
      if (opening !== this.opening) return;
      this.video.src = URL.createObjectURL(file);
      await firstPicture(this.video);
      if (opening !== this.opening) return; // it was the camera's picture that was loaded
      this.stage.showVideo(false);
      if (playing) this.follow();
      this.watch(card.finder.longSide);
    } catch (error) {
      if (opening === this.opening) this.fail(error);
      return;
    }
    // Where playing needs a tap, there is a button.
    if (playing) await this.video.play().catch(() => undefined);
  }

  /** Let go of camera or clip, and of who was counted. */
  close(): void {
    this.release();
    this.tracks = undefined;
  }

  /** Nobody looks: the camera's light must not stay on behind another app. A frozen picture stays. */
  hide(): void {
    if (this.frozen) this.darken();
    else this.release();
  }

  /** It was unplugged, or is no longer allowed. A frozen picture stays here, too. */
  private takenAway(): void {
    if (this.frozen) this.darken();
    else this.fail("The camera was taken away.");
  }

  private release(): void {
    this.opening += 1;
    this.live?.stop();
    this.live = undefined;
    this.last = undefined;
    this.video.pause();
    if (this.video.src.startsWith("blob:")) URL.revokeObjectURL(this.video.src);
    this.video.srcObject = null;
    this.video.removeAttribute("src");
    this.darken(); // only now: WebKitGTK hangs when a camera ends while it is shown
    this.stream = undefined;
    this.showPlaying();
  }

  private darken(): void {
    if (this.stream === undefined) return;
    stop(this.stream);
    void keepScreenOn(false);
    this.torchOn = false;
    byId("torch").setAttribute("aria-pressed", "false");
    byId("torch").hidden = true;
  }

  /**
   * The frame that is shown, unmirrored, at its own size, and its own faces: the boxes on the screen
   * are those of a frame before it.
   */
  async snapshot(): Promise<{ bitmap: ImageBitmap; faces: Face[] }> {
    const { live, tracks } = this;
    const bitmap = await createImageBitmap(this.video);
    const faces = await live!.look(bitmap);
    return { bitmap, faces: tracks?.withTracks(faces) ?? faces };
  }

  get open(): boolean {
    return this.live !== undefined;
  }

  /** Number of people seen so far per label, in the labels' order. */
  counts(labels: number): number[] {
    return (this.tracks ?? new Tracks()).counts(labels);
  }

  /** Make way for another camera or clip, whose number is returned. */
  private begin(): number {
    this.release();
    this.stage.showNothing(this.stage.size);
    return this.opening;
  }

  private follow(): void {
    this.tracks ??= new Tracks();
    this.watcher.onBegin();
  }

  private watch(longSide: number): void {
    let before = 0;
    this.live = new Live(
      this.engine,
      this.video,
      longSide,
      (frame) => {
        if (frame.at < before) this.tracks = undefined; // somebody moved back in the clip
        before = frame.at;
        // Only when it plays: to look back, paused, is no reason to forget what was seen.
        if (this.tracks === undefined && !this.video.paused) this.follow();
        const { tracks } = this;
        const faces = tracks?.update(frame.faces, frame.at, this.watcher.threshold()) ?? frame.faces;
        this.last = { ...frame, faces };
        this.watcher.onFrame(this.last, tracks !== undefined);
      },
      (error) => this.fail(error),
    );
    this.live.start();
  }

  /** The picture has another shape: a phone was turned. */
  private turn(): void {
    if (!this.open) return;
    this.tracks?.turn();
    this.last = undefined;
    this.stage.showVideo(this.stage.mirrored);
  }

  private fail(error: unknown): void {
    this.release();
    this.stage.showNothing();
    this.watcher.onError(error);
  }

  private async torch(on: boolean): Promise<void> {
    const track = this.stream?.getVideoTracks()[0];
    if (track === undefined) return;
    await switchTorch(track, on);
    this.torchOn = on;
    byId("torch").setAttribute("aria-pressed", String(this.torchOn));
  }

  private playOrPause(): void {
    if (!this.open) return;
    if (!this.still) return this.video.pause();
    if (this.stream?.active === false) return void this.openCamera(); // it was let go of, or unplugged, meanwhile
    this.mend();
    void this.video.play();
  }

  /** A clip is damaged somewhere in its middle; what was seen of it stays. */
  private breakOff(): void {
    if (!this.open) return;
    this.video.pause();
    this.watcher.onError(`The video cannot be played beyond ${this.video.currentTime.toFixed(1)} s.`);
  }

  /** A clip that broke off is opened again. */
  private mend(): void {
    if (this.video.error !== null) this.video.load();
  }

  /** The buttons of camera and clip say what they do next. */
  private showPlaying(): void {
    const { frozen, still } = this;
    showButton("freeze", frozen, frozen ? "Go on" : "Freeze", frozen);
    showButton("play", !still, still ? "Play" : "Pause", still);
  }

  private showTime(): void {
    if (this.stream !== undefined) return;
    const { currentTime, duration } = this.video;
    // Recordings may not say it before they were played to their end.
    const known = Number.isFinite(duration);
    const now = currentTime.toFixed(1);
    const seek = byId<HTMLInputElement>("seek");
    seek.disabled = !known;
    seek.value = known ? String(currentTime / duration) : "0";
    seek.setAttribute("aria-valuetext", known ? `${now} of ${duration.toFixed(1)} seconds` : `${now} seconds`);
    byId("time").textContent = known ? `${now} / ${duration.toFixed(1)} s` : `${now} s`;
  }

  private showRate(): void {
    const rate = this.live?.rate ?? 0;
    const text = rate > 0 ? `${rate.toFixed(rate < 10 ? 1 : 0)} fps` : "";
    const output = byId("rate");
    output.textContent = text;
    output.title = `Faces are looked for at ${this.live?.longSide ?? 0} pixels.`;
  }
}

/** A button that stops and starts: whether it is lit, its word, and its sign, of playing or of a pause. */
function showButton(id: string, lit: boolean, word: string, plays: boolean): void {
  const button = byId(id);
  button.classList.toggle("on", lit);
  button.querySelector("span")!.textContent = word;
  button.querySelector("use")!.setAttribute("href", plays ? "#i-play" : "#i-freeze");
}

/** Resolves when a clip's first picture is there. */
function firstPicture(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (): void =>
      reject(new Error("This browser cannot play this video. Try MP4 with H.264, or WebM."));
    // Without a picture where the browser knows the sound's format only.
    video.onloadeddata = () => (video.videoWidth > 0 ? resolve() : refuse());
    video.onerror = refuse;
  });
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
