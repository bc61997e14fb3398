/**
 * The card of a bundle, as docs/bundle.md describes it: what the page must know of its models.
 * JSON comes in, a checked value goes out; what is missing or unknown is one sentence.
 */

export interface FinderCard {
  /** Name of the ONNX file beside the card. */
  file: string;
  /** Pixels per cell of each output map, in the order the cells come in. */
  strides: number[];
  /** Both sides of the network's input are multiples of this. */
  multiple: number;
  /** The longer side that a picture is scaled to, in pixels. */
  longSide: number;
  /** Pictures are enlarged at most this much. */
  maxScale: number;
  /** Cells below this score are no faces (0…1). */
  minScore: number;
  /** Of two boxes that overlap more than this, the weaker one is dropped. */
  nmsIou: number;
}

/** Which crops the classifier looks at twice. */
export interface SecondLook {
  /** Crops with no more doubt than this, the probability of all labels but the best, are looked at once. */
  low: number;
  /** From here on the second answer counts as much as the first. */
  high: number;
  /** Pixels that are left out on each side of a crop for the second view. */
  cut: number;
}

export interface Card {
  name: string;
  version: string;
  labels: string[];
  /** Columns of the classifier's probabilities: the labels, and perhaps `not_a_face`. */
  outputs: string[];
  size: number;
  valueRange: [number, number];
  margin: number;
  temperature: number;
  refinesBox: boolean;
  secondLook: SecondLook | null;
  faceCalibration: { bias: number; finder: number; classifier: number; both?: number } | null;
  thresholds: Record<string, number> & { default: number };
  files: Record<string, { sha256: string; bytes: number }>;
  classifier: string;
  finder: FinderCard;
}

export class BundleError extends Error {}

/** The version of the card's form that this page reads. */
const FORMAT = 1;

const CLASSIFIER = "classifier.onnx";

type Json = Record<string, unknown>;

/** Read a card from decoded JSON. Throws BundleError when it does not fit. */
export function readCard(value: unknown): Card {
  const card = asObject(value, "card");
  if (card.format !== FORMAT) {
    throw new BundleError(`The card has format ${String(card.format)}; this page reads ${FORMAT}.`);
  }
  const labels = strings(card, "labels");
  const outputs = strings(card, "outputs");
  const missing = labels.filter((label) => !outputs.includes(label));
  if (labels.length === 0 || missing.length > 0) {
    throw new BundleError(`The card's outputs must contain its labels; ${missing} are missing.`);
  }
  const thresholds = asObject(card.thresholds, "thresholds") as Card["thresholds"];
  if (typeof thresholds.default !== "number") {
    throw new BundleError('The card\'s thresholds lack "default".');
  }
  const files = asObject(card.files, "files") as Card["files"];
  const classifier = CLASSIFIER in files ? CLASSIFIER : Object.keys(files).find(isOtherOnnx);
  if (classifier === undefined) {
    throw new BundleError("The bundle has no classifier in ONNX format.");
  }
  const faceCalibration = (card.face_calibration ?? null) as Card["faceCalibration"];
  return {
    name: String(card.name),
    version: String(card.version),
    labels,
    outputs,
    size: number(card, "size"),
    valueRange: card.value_range as [number, number],
    margin: number(card, "margin"),
    temperature: card.temperature === undefined ? 1 : number(card, "temperature"),
    refinesBox: card.refines_box === true,
    secondLook: readSecondLook(card.second_look),
    faceCalibration,
    thresholds,
    files,
    classifier,
    finder: readFinder(card.finder, faceCalibration !== null),
  };
}

function readSecondLook(value: unknown): SecondLook | null {
  if (value === undefined || value === null) return null;
  const look = { cut: 0, ...asObject(value, "second_look") } as Json;
  return {
    low: number(look, "low"),
    high: number(look, "high"),
    cut: number(look, "cut"),
  };
}

/** The section `finder`; what it leaves out has the defaults of FinderCard in masklens/card.py. */
function readFinder(value: unknown, isCalibrated: boolean): FinderCard {
  if (value === undefined || value === null) {
    throw new BundleError(
      "This model brings no face finder, which the page needs. Use it on the command line or through the API.",
    );
  }
  const finder = {
    file: "finder.onnx",
    strides: [8, 16, 32],
    multiple: 32,
    long_side: 800,
    max_scale: 2,
    min_score: 0.3,
    sure_score: 0,
    nms_iou: 0.45,
    ...asObject(value, "finder"),
  } as Json;
  const [minScore, sureScore] = [number(finder, "min_score"), number(finder, "sure_score")];
  return {
    file: String(finder.file),
    strides: finder.strides as number[],
    multiple: number(finder, "multiple"),
    longSide: number(finder, "long_side"),
    maxScale: number(finder, "max_scale"),
    minScore: isCalibrated ? minScore : Math.max(minScore, sureScore),
    nmsIou: number(finder, "nms_iou"),
  };
}

function isOtherOnnx(name: string): boolean {
  return name.endsWith(".onnx") && !name.startsWith("finder");
}

function asObject(value: unknown, name: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BundleError(`The card lacks "${name}".`);
  }
  return value as Json;
}

function number(from: Json, key: string): number {
  const value = from[key];
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new BundleError(`The card's "${key}" must be a number. Received: ${String(value)}`);
  }
  return value;
}

function strings(from: Json, key: string): string[] {
  const value = from[key];
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
    throw new BundleError(`The card's "${key}" must be a list of names.`);
  }
  return value;
}
