/**
 * The worker: everything that takes time happens here, so that the page never freezes.
 */

import { sentence } from "../core/errors";
import { usualSizes } from "../core/pyramid";
import type { Pixels } from "../core/resize";
import { Detector } from "./detector";
import { enlarged } from "./enlarge";
import { markFirst } from "./marks";
import { decodePicture, readBitmap } from "./pixels";
import type { Answer, Labelled, Request } from "./protocol";

declare const self: DedicatedWorkerGlobalScope;
interface DedicatedWorkerGlobalScope {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(answer: Answer): void;
}

markFirst("worker runs");
let haveRuntime: (runtime: WebAssembly.Module | Promise<never>) => void;
const runtime = new Promise<WebAssembly.Module>((resolve) => (haveRuntime = resolve));
let detector: Promise<Detector> | undefined;
// One at a time: two pictures in memory at once gain nothing on one thread.
let turn: Promise<void> = Promise.resolve();

self.onmessage = ({ data: request }) => {
  // A picture may be unpacked while the models are still on their way.
  if (request.kind === "load") {
    detector = Detector.load(runtime, request.model);
    // Later, so that it takes no time from the first picture and from showing it.
    void reply(request).then(() => setTimeout(() => (turn = turn.then(settle)), 1000));
  } else if (request.kind === "runtime") void reply(request);
  else turn = turn.then(() => reply(request));
};

async function settle(): Promise<void> {
  // What cannot be opened again goes on as it is.
  await detector?.then((loaded) => loaded.settle()).catch(() => undefined);
}

async function reply(request: Request): Promise<void> {
  const said = await answer(request).catch((error: unknown) => {
    return { id: request.id, kind: "error", message: sentence(error) } as const;
  });
  self.postMessage(said);
}

async function answer(request: Request): Promise<Answer> {
  const { id } = request;
  if (request.kind === "runtime") {
    const given = request.runtime;
    haveRuntime(given instanceof Error ? Promise.reject(given) : given);
    return { id, kind: "taken" };
  }
  if (detector === undefined) throw new Error("The models are not loaded.");
  if (request.kind === "load") {
    const loaded = await detector;
    await loaded.ready();
    return { id, kind: "card", card: loaded.card };
  }
  return { id, kind: "labelled", result: await label(detector, request) };
}

async function label(
  loading: Promise<Detector>,
  { picture, longSides }: Extract<Request, { kind: "label" }>,
): Promise<Labelled> {
  const decoded = picture instanceof ImageBitmap ? readBitmap(picture) : await decodePicture(picture);
  markFirst("picture unpacked");
  const { pixels, width, height } = decoded;
  const loaded = await loading;
  const usual = loaded.card.finder.longSide;
  const sizes = longSides ?? usualSizes(Math.max(pixels.width, pixels.height), usual);
  const found = await search(loaded, pixels, sizes).catch((error: unknown) => {
    // A phone without the memory for the larger size still has the usual one's faces.
    if (longSides !== undefined || sizes.length === 1) throw error;
    return search(loaded, pixels, [usual]);
  });
  markFirst("picture labelled");
  return enlarged(found, width, height);
}

async function search(loaded: Detector, pixels: Pixels, longSides: number[]): Promise<Labelled> {
  const faces = await loaded.detect(pixels, longSides);
  return { width: pixels.width, height: pixels.height, faces, longSides };
}
