/**
 * Around the classifier's network: found faces become its input, its output becomes labelled
 * faces. The counterpart of `masklens.classifier` and of the second half of `masklens.detector`.
 */

import type { Box } from "./boxes";
import type { Card } from "./card";
import { cropSquare } from "./crop";
import type { FoundFace } from "./finder";
import { secondView, secondWeight } from "./second-look";

/** One face, as it travels on through the page. */
export interface Face {
  box: Box;
  /** Index of the most probable label in the card's `labels`. */
  label: number;
  /** 0…1: that a face is there and wears what the label says. Compared with the threshold. */
  score: number;
  /** 0…1: the face finder's own score. */
  faceScore: number;
  /** For each label, given that it is a face; they sum to 1. */
  probabilities: number[];
  /** Number of its track in moving pictures. */
  track?: number;
}

/** The network's outputs for N crops, row by row. */
export interface ClassifierOutput {
  probabilities: Float32Array;
  /** (N, 4), xyxy as shares of the crop's side; absent if the network gives none. */
  box?: Float32Array;
}

/** The network's input for some crops: (N, size, size, 3), RGB, in the card's value range. */
export function classifierInput(crops: readonly Uint8Array[], card: Card): Float32Array {
  const [low, high] = card.valueRange;
  const table = Float32Array.from(
    { length: 256 },
    (_, value) => Math.fround(value * Math.fround((high - low) / 255)) + low,
  );
  const length = card.size * card.size * 3;
  const tensor = new Float32Array(crops.length * length);
  crops.forEach((crop, i) => {
    crop.forEach((value, j) => {
      tensor[i * length + j] = table[value]!;
    });
  });
  return tensor;
}

/**
 * What the network says of some crops; the probabilities of doubtful ones are those of two looks,
 * see second-look.ts. `run` is the network.
 */
export async function look(
  crops: readonly Uint8Array[],
  card: Card,
  run: (crops: readonly Uint8Array[]) => Promise<ClassifierOutput>,
): Promise<ClassifierOutput> {
  const first = await run(crops);
  const again = card.secondLook;
  if (again === null) return first;
  const columns = card.outputs.length;
  const places = labelPlaces(card);
  const row = ({ probabilities }: ClassifierOutput, i: number): Float32Array =>
    probabilities.subarray(i * columns, (i + 1) * columns);
  const doubtful = crops
    .map((crop, i) => {
      const outputs = row(first, i);
      const weight = secondWeight(places.map((place) => outputs[place]!), again);
      return { crop, outputs, weight };
    })
    .filter(({ weight }) => weight > 0);
  if (doubtful.length === 0) return first;
  const second = await run(doubtful.map(({ crop }) => secondView(crop, card.size, again.cut)));
  doubtful.forEach(({ outputs, weight }, i) => {
    row(second, i).forEach((value, k) => {
      outputs[k] = outputs[k]! + weight * (value - outputs[k]!);
    });
  });
  return first;
}

/** Soften (T > 1) or sharpen (T < 1) probabilities: softmax(log p / T). */
export function withTemperature(probabilities: ArrayLike<number>, temperature: number): number[] {
  const logits = Array.from(probabilities, (p) => Math.log(Math.max(p, 1e-12)) / temperature);
  const top = Math.max(...logits);
  const exponents = logits.map((value) => Math.exp(value - top));
  const sum = exponents.reduce((a, b) => a + b, 0);
  return exponents.map((value) => value / sum);
}

/** The columns of the labels in the network's outputs. */
function labelPlaces(card: Card): number[] {
  return card.labels.map((label) => card.outputs.indexOf(label));
}

/** Put finder and classifier together: labelled faces, best first, none left out yet. */
export function labelFaces(
  found: readonly FoundFace[],
  output: ClassifierOutput,
  picture: { width: number; height: number },
  card: Card,
): Face[] {
  const columns = card.outputs.length;
  const places = labelPlaces(card);
  const rejects = card.outputs.includes("not_a_face");
  const faces = found.map((face, i): Face => {
    const row = output.probabilities.subarray(i * columns, (i + 1) * columns);
    const calibrated = withTemperature(row, card.temperature);
    const raw = places.map((place) => calibrated[place]!);
    const isFace = raw.reduce((a, b) => a + b, 0);
    const probabilities = raw.map((p) => p / Math.max(isFace, 1e-12));
    const best = Math.max(...probabilities);
    const refined = output.box?.subarray(i * 4, i * 4 + 4);
    return {
      box: refined ? refinedBox(face.box, refined, card.margin, picture) : face.box,
      label: probabilities.indexOf(best),
      score: faceProbability(face.score, rejects ? isFace : 1, card) * best,
      faceScore: face.score,
      probabilities,
    };
  });
  return faces.sort((a, b) => b.score - a.score);
}

/** Platt's calibration of both networks' opinions, or their product if the card has none. */
function faceProbability(finder: number, classifier: number, card: Card): number {
  const calibration = card.faceCalibration;
  if (calibration === null) return finder * classifier;
  const f = logit(finder);
  const c = logit(classifier);
  const sum =
    calibration.bias +
    calibration.finder * f +
    calibration.classifier * c +
    (calibration.both ?? 0) * softplus(f) * softplus(c);
  return 1 / (1 + Math.exp(-sum));
}

/** log(1 + exp(x)) of a logit. */
function softplus(x: number): number {
  return Math.log1p(Math.exp(x));
}

function logit(probability: number): number {
  const p = Math.min(Math.max(probability, 1e-6), 1 - 1e-6);
  return Math.log(p / (1 - p));
}

/** The box that the classifier gave inside its crop, back in the picture and clipped to it. */
export function refinedBox(
  box: Box,
  refined: ArrayLike<number>,
  margin: number,
  picture: { width: number; height: number },
): Box {
  const { left, top, side } = cropSquare(box, margin);
  const x = (i: number): number => Math.min(Math.max(left + refined[i]! * side, 0), picture.width);
  const y = (i: number): number => Math.min(Math.max(top + refined[i]! * side, 0), picture.height);
  const out: Box = [x(0), y(1), x(2), y(3)];
  return out[2] - out[0] < 1 || out[3] - out[1] < 1 ? box : out;
}
