/**
 * The whole pipeline: a picture in, labelled faces out. The counterpart of `MaskDetector`.
 */

import type { Card } from "../core/card";
import { finderInput, foundFaces, type FoundFace } from "../core/finder";
import { classifierInput, labelFaces, type ClassifierOutput, type Face } from "../core/labelling";
import type { Pixels } from "../core/resize";
import { BundleError } from "../core/card";
import { fetchCard, fetchModel, fetchPacked } from "./files";
import { openNetwork, startRuntime, type Network } from "./network";

/** Faces are classified in groups of at most this many, so that a crowd does not take the memory. */
const BATCH = 16;

export class Detector {
  private constructor(
    readonly card: Card,
    private readonly finder: Network,
    private readonly classifier: Network,
  ) {}

  /** Load runtime and bundle. Both arguments are absolute URLs; `model` ends with a slash. */
  static async load(runtime: string, model: string): Promise<Detector> {
    const wasm = fetchPacked(runtime);
    const card = await fetchCard(model);
    const files = [card.finder.file, card.classifier] as const;
    const contents = Promise.all(files.map((name) => fetchModel(model, name, card)));
    startRuntime(await wasm);
    const [finder, classifier] = await contents;
    return new Detector(
      card,
      await openNetwork(files[0], finder!),
      await openNetwork(files[1], classifier!),
    );
  }

  /**
   * Find and label the faces of a picture, best first, none left out for its score.
   * `longSide` is the size faces are looked for at; the card's by default.
   */
  async detect(picture: Pixels, longSide = this.card.finder.longSide): Promise<Face[]> {
    const found = await this.find(picture, longSide);
    const faces: Face[] = [];
    for (let i = 0; i < found.length; i += BATCH) {
      const group = found.slice(i, i + BATCH);
      faces.push(...labelFaces(group, await this.classify(picture, group), picture, this.card));
    }
    return faces.sort((a, b) => b.score - a.score);
  }

  private async find(picture: Pixels, longSide: number): Promise<FoundFace[]> {
    const input = finderInput(picture, longSide, this.card.finder.multiple);
    const { face, box, landmarks } = await this.finder.run(input.tensor, [
      1,
      input.height,
      input.width,
      3,
    ]);
    if (face === undefined || box === undefined || landmarks === undefined) {
      throw new BundleError("The face finder lacks one of its outputs face, box and landmarks.");
    }
    return foundFaces({ face, box, landmarks }, input, picture, this.card.finder);
  }

  private async classify(picture: Pixels, faces: FoundFace[]): Promise<ClassifierOutput> {
    const { size, refinesBox } = this.card;
    const boxes = faces.map(({ box }) => box);
    const shape = [faces.length, size, size, 3];
    const outputs = await this.classifier.run(classifierInput(picture, boxes, this.card), shape);
    const { probabilities, box } = outputs;
    if (probabilities === undefined || (refinesBox && box === undefined)) {
      throw new BundleError("The classifier lacks an output that its card promises.");
    }
    return refinesBox && box !== undefined ? { probabilities, box } : { probabilities };
  }
}
