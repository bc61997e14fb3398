/**
 * The whole pipeline: a picture in, labelled faces out. The counterpart of `MaskDetector`.
 */

import { BundleError, type Card, type FinderCard } from "../core/card";
import { cropFace } from "../core/crop";
import { finderInput, foundFaces, type FoundFace } from "../core/finder";
import { classifierInput, labelFaces, look, type ClassifierOutput, type Face } from "../core/labelling";
import { unpackWeights } from "../core/onnx";
import { searchSizes } from "../core/pyramid";
import type { Pixels } from "../core/resize";
import { fetchCard, fetchModel } from "./files";
import { markFirst } from "./marks";
import { openNetwork, prepareRuntime, startRuntime, type Effort, type Network } from "./network";

/** Faces are classified in groups of at most this many, so that a crowd does not take the memory. */
const BATCH = 16;

export class Detector {
  private constructor(
    readonly card: Card,
    private readonly finder: Promise<Network>,
    private classifier: Promise<Network>,
    private reopened: () => Promise<Network>,
  ) {}

  /**
   * Load the bundle in the folder `model`, an absolute URL that ends with a slash. The detector may
   * be used at once: pictures are prepared while the runtime is compiled and the networks open.
   */
  static async load(runtime: Promise<WebAssembly.Module>, model: string): Promise<Detector> {
    prepareRuntime();
    const started = runtime.then(startRuntime);
    const card = await fetchCard(model);
    const fetched = (name: string): Promise<Uint8Array> => {
      // Here and not by the runtime, because the runtime is not there yet.
      const content = fetchModel(model, name, card).then((packed) => {
        const unpacked = unpackWeights(new Uint8Array(packed));
        markFirst(`${name} fetched and unpacked`);
        return unpacked;
      });
      content.catch(() => undefined); // told below; not as an error that nobody heard
      return content;
    };
    const open = async (
      name: string,
      content: Promise<Uint8Array>,
      after: Promise<unknown>,
      effort: Effort,
    ): Promise<Network> => {
      await after;
      const network = await openNetwork(name, await content, effort);
      markFirst(`${name} opened, ${effort}`);
      return network;
    };
    const [found, classified] = [fetched(card.finder.file), fetched(card.classifier)];
    const finder = open(card.finder.file, found, started, "quick");
    const classifier = open(card.classifier, classified, finder, "quick");
    const reopened = (): Promise<Network> => open(card.classifier, classified, classifier, "thorough");
    return new Detector(card, finder, classifier, reopened);
  }

  /** Resolves when both networks are open; rejects when they cannot be. */
  async ready(): Promise<void> {
    await Promise.all([this.finder, this.classifier]);
  }

  /**
   * Open the classifier once more, so that it takes two thirds of the time; the finder would gain
   * nothing. To be called when the person is not waiting: it takes as long as some pictures.
   */
  async settle(): Promise<void> {
    const thorough = await this.reopened();
    this.reopened = () => Promise.resolve(thorough); // and let go of the file
    const quick = await this.classifier;
    this.classifier = Promise.resolve(thorough);
    await quick.close();
  }

  /**
   * Find and label the faces of a picture, best first, none left out for its score.
   * `longSides` are the sizes faces are looked for at.
   */
  async detect(picture: Pixels, longSides: readonly number[]): Promise<Face[]> {
    const longer = Math.max(picture.width, picture.height);
    const found = await searchSizes(longer, longSides, this.card.finder, (longSide, card) =>
      this.find(picture, longSide, card),
    );
    markFirst("faces found");
    const faces: Face[] = [];
    for (let i = 0; i < found.length; i += BATCH) {
      const group = found.slice(i, i + BATCH);
      faces.push(...labelFaces(group, await this.classify(picture, group), picture, this.card));
    }
    return faces.sort((a, b) => b.score - a.score);
  }

  private async find(picture: Pixels, longSide: number, card: FinderCard): Promise<FoundFace[]> {
    const input = finderInput(picture, longSide, card);
    markFirst("finder's input ready");
    const finder = await this.finder;
    const { face, box } = await finder.run(input.tensor, [1, input.height, input.width, 3]);
    if (face === undefined || box === undefined) {
      throw new BundleError("The face finder lacks one of its outputs face and box.");
    }
    return foundFaces({ face, box }, input, picture, card);
  }

  private async classify(picture: Pixels, faces: FoundFace[]): Promise<ClassifierOutput> {
    const { size, margin } = this.card;
    const crops = faces.map(({ box }) => cropFace(picture, box, size, margin));
    return look(crops, this.card, (some) => this.run(some));
  }

  private async run(crops: readonly Uint8Array[]): Promise<ClassifierOutput> {
    const { size, refinesBox } = this.card;
    const shape = [crops.length, size, size, 3];
    const outputs = await (await this.classifier).run(classifierInput(crops, this.card), shape);
    const { probabilities, box } = outputs;
    if (probabilities === undefined || (refinesBox && box === undefined)) {
      throw new BundleError("The classifier lacks an output that its card promises.");
    }
    return refinesBox && box !== undefined ? { probabilities, box } : { probabilities };
  }
}
