/** The parts without pixels: the card, overlaps, files, votes, tracks, and the choice of a size. */

import { readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import type { Box } from "../src/core/boxes";
import { BundleError, readCard } from "../src/core/card";
import { isCutOff } from "../src/core/cut-off";
import { foundFaces, suppress, type FoundFace } from "../src/core/finder";
import { look, type ClassifierOutput, type Face } from "../src/core/labelling";
import { closerSize, closerSizes, searchSizes, usualSizes } from "../src/core/pyramid";
import { toCsv, toJson, TrackCount, type Entry } from "../src/core/records";
import { Tracks } from "../src/core/tracks";
import { Votes } from "../src/core/votes";
import { enlarged } from "../src/engine/enlarge";
import { choices, nextCamera, type Which } from "../src/ui/camera";
import { drawFaces } from "../src/ui/draw";
import { styleOf } from "../src/ui/labels";
import { Pace } from "../src/ui/live";
import { firstText, placeLabel, type Size } from "../src/ui/place";
import { Teller } from "../src/ui/teller";

const labels = ["with_mask", "without_mask", "mask_worn_incorrectly"];
const cardJson = {
  format: 1,
  name: "toy",
  version: "1",
  labels,
  outputs: [...labels, "not_a_face"],
  size: 32,
  value_range: [-1, 1],
  margin: 0.2,
  thresholds: { default: 0.3 },
  files: { "classifier.onnx": {}, "finder.onnx": {} },
  finder: { long_side: 640 },
};

/** What Python made, see fixtures/make.py. */
function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8"));
}

const rules = fixture("rules.json") as {
  finder: Record<"multiple" | "long_side" | "max_scale" | "min_score" | "sure_score" | "nms_iou", number> & {
    file: string;
    strides: number[];
  };
  cut: number;
  closer: [number, number, number | null][];
  labels: Record<string, { short: string; colour: string }>;
};

function face(box: Box, label = 0, score = 0.9): Face {
  const probabilities = labels.map((_, i) => (i === label ? 0.8 : 0.1));
  return { box, label, score, faceScore: 0.765432, probabilities };
}

describe("the card", () => {
  test("is read, with Python's defaults of what it leaves out", () => {
    const card = readCard(cardJson);
    const { finder, cut } = rules;
    expect(card.finder).toEqual({
      file: finder.file,
      strides: finder.strides,
      multiple: finder.multiple,
      longSide: 640,
      maxScale: finder.max_scale,
      minScore: Math.max(finder.min_score, finder.sure_score),
      nmsIou: finder.nms_iou,
    });
    expect(readCard({ ...cardJson, finder: {} }).finder.longSide).toBe(finder.long_side);
    expect(readCard({ ...cardJson, second_look: { low: 0.1, high: 0.2 } }).secondLook?.cut).toBe(cut);
    expect(card.classifier).toBe("classifier.onnx");
    expect(card.temperature).toBe(1);
  });
  test("wants surer faces where no calibration weighs their scores", () => {
    const calibration = { bias: 0, finder: 1, classifier: 1 };
    const least = (scores: object, weighed: object | null): number =>
      readCard({ ...cardJson, finder: scores, face_calibration: weighed }).finder.minScore;
    expect(least({ min_score: 0.4, sure_score: 0.78 }, calibration)).toBe(0.4);
    expect(least({ min_score: 0.4, sure_score: 0.78 }, null)).toBe(0.78);
    expect(least({ min_score: 0.4, sure_score: 0.1 }, null)).toBe(0.4);
  });
  test.each([
    [{ ...cardJson, format: 2 }, /format 2/],
    [{ ...cardJson, finder: undefined }, /finder/],
    [{ ...cardJson, finder: null }, /brings no face finder/],
    [{ ...cardJson, margin: "wide" }, /margin/],
    [{ ...cardJson, second_look: { low: 0.1 } }, /high/],
    [{ ...cardJson, outputs: ["with_mask"] }, /without_mask/],
    [{ ...cardJson, files: {} }, /no classifier/],
    [[], /card/],
  ])("is refused with a sentence: %#", (value, message) => {
    expect(() => readCard(value)).toThrow(BundleError);
    expect(() => readCard(value)).toThrow(message);
  });
});

describe("looking twice", () => {
  const twice = { ...cardJson, size: 8, second_look: { low: 0.1, high: 0.3, cut: 1 } };
  const crops = [1, 2, 3].map((value) => new Uint8Array(8 * 8 * 3).fill(value));
  const answer = (rows: number[][]): ClassifierOutput => ({
    probabilities: Float32Array.from(rows.flat()),
    box: new Float32Array(rows.length * 4).fill(0.25),
  });
  const first = [
    [0.95, 0.05, 0, 0],
    [0.5, 0.5, 0, 0],
    [0.8, 0.2, 0, 0],
  ];

  test("only doubtful crops are seen again, and count by their doubt", async () => {
    const seen: number[][] = [];
    const output = await look(crops, readCard(twice), async (some) => {
      seen.push(some.map((crop) => crop[0]!));
      return answer(seen.length === 1 ? first : [[0, 1, 0, 0], [0.4, 0.6, 0, 0]]);
    });
    expect(seen).toEqual([[1, 2, 3], [2, 3]]);
    const expected = [0.95, 0.05, 0, 0, 0.25, 0.75, 0, 0, 0.7, 0.3, 0, 0];
    output.probabilities.forEach((p, i) => expect(p).toBeCloseTo(expected[i]!, 6));
    expect(output.box).toEqual(answer(first).box);
  });
  test("without it in the card every crop is seen once", async () => {
    let times = 0;
    await look(crops, readCard(cardJson), async () => {
      times += 1;
      return answer(first);
    });
    expect(times).toBe(1);
  });
});

describe("the finder's output", () => {
  test("cells are read stride by stride, row by row", () => {
    const card = readCard({ ...cardJson, finder: { min_score: 0.5 } }).finder;
    const cells = 8 * 4 + 4 * 2 + 2 * 1;
    const output = {
      face: new Float32Array(cells),
      box: new Float32Array(cells * 4),
    };
    const cell = 8 * 4 + 4 + 3; // stride 16, second row, last column
    output.face[cell] = 0.75;
    output.box.set([-1, -0.5, 0.5, 0.75], cell * 4);
    const input = { tensor: new Uint8Array(), width: 64, height: 32, scale: 0.5 };
    const [found, ...others] = foundFaces(output, input, { width: 128, height: 64 }, card);
    expect(others).toEqual([]);
    expect(found?.box).toEqual([64, 16, 112, 56]);
  });
  test("of two boxes that overlap the weaker goes", () => {
    const found = (box: Box, score: number): FoundFace => ({ box, score });
    const faces = [
      found([0, 0, 10, 10], 0.5),
      found([1, 0, 11, 10], 0.9),
      found([9, 9, 20, 20], 0.4),
    ];
    expect(suppress(faces, 0.3).map(({ score }) => score)).toEqual([0.9, 0.4]);
  });
});

test("labels are called and coloured as in Python", () => {
  for (const [label, style] of Object.entries(rules.labels)) expect(styleOf(label)).toMatchObject(style);
});

test("a line with gaps is mostly line: none may be fainter than a mask's by half", () => {
  for (const label of labels) {
    const [drawn, gap] = styleOf(label).dash;
    if (drawn !== undefined) expect(drawn / (drawn + gap!)).toBeGreaterThan(0.6);
  }
});

describe("a label's place", () => {
  const picture = { width: 400, height: 300, line: 1 };
  const sizes = [
    { width: 60, height: 12 },
    { width: 40, height: 12 },
    { width: 12, height: 12 },
  ];
  const face: Box = [100, 100, 150, 160];
  test("is above its face, as a whole", () => {
    const { text, place } = placeLabel(sizes, 0, 0, picture, [face], []);
    expect([text, ...place]).toEqual([0, 99.5, 87, 159.5, 99]);
  });
  test("keeps off other faces, by another place or fewer words", () => {
    const above: Box = [60, 40, 220, 98];
    const below: Box = [60, 161, 220, 200];
    expect(placeLabel(sizes, 0, 0, picture, [face, above], []).place[1]).toBe(161);
    expect(placeLabel(sizes, 0, 0, picture, [face, above, below], []).place[0]).toBe(151); // beside it
    const around: Box[] = [above, below, [60, 98, 99, 161], [165, 98, 220, 161]];
    expect(placeLabel(sizes, 0, 0, picture, [face, ...around], []).text).toBe(2);
  });
  test("keeps off other labels, even more than off faces", () => {
    const label: Box = [60, 87, 220, 99];
    expect(placeLabel(sizes, 0, 0, picture, [face], [label]).place[1]).toBe(161);
    const faces: Box[] = [[60, 161, 220, 173], [60, 99, 220, 112]]; // below and beside it
    expect(placeLabel(sizes, 0, 0, picture, [face, ...faces], [label]).place[1]).not.toBe(87);
  });
  test("is not on its own face, unless that can spare it", () => {
    const small: Box = [0, 3, 20, 23];
    expect(placeLabel(sizes, 0, 0, picture, [small], []).place).toEqual([0, 24, 60, 36]);
    const closeUp: Box = [0, 0, 400, 300];
    expect(placeLabel(sizes, 0, 0, picture, [closeUp], [])).toMatchObject({ text: 0, place: [0, 0, 60, 12] });
  });
  const crowds = fixture("places.json") as {
    picture: Size;
    faces: Box[];
    sizes: Size[][];
    first: number[];
    labels: Box[];
  }[];
  test.each(crowds)("is the one that Python takes, of crowd %#", ({ picture, faces, sizes, first, labels }) => {
    expect(first.map((_, n) => firstText(sizes.slice(0, n), faces.slice(0, n), picture))).toEqual(first);
    labels.forEach((label, i) => {
      const { place } = placeLabel(sizes[i]!, first.at(-1)!, i, { ...picture, line: 0 }, faces, labels.slice(0, i));
      expect(place).toEqual(label);
    });
  });
  test("in a crowd begins with the sign alone", () => {
    const crowd = Array.from({ length: 60 }, (_, i): Box => [i, i, i + 12, i + 14]);
    expect(firstText(crowd.map(() => sizes), crowd, picture)).toBe(2);
    expect(firstText([sizes], crowd.slice(0, 1), picture)).toBe(0);
    expect(firstText([], [], picture)).toBe(0);
  });
});

test("a label stands at its box, however thin the line is in a panorama", () => {
  vi.stubGlobal("document", { getElementById: () => null }); // labels without a sign
  const drawn: number[][] = [];
  const context = new Proxy({} as CanvasRenderingContext2D, {
    get: (_, name) => (...values: number[]) => {
      if (name === "roundRect") drawn.push(values);
      return { width: 40 };
    },
    set: () => true,
  });
  const drawing = { width: 6000, height: 300, scale: 1, labels: ["?"], letters: [11, 150], line: 15 } as const;
  const face = { box: [3000, 150, 3040, 200] as Box, label: 0, score: 0.9, faceScore: 0.9, probabilities: [1] };
  drawFaces(context, [face], drawing);
  vi.unstubAllGlobals();
  const [box, label] = [drawn[0]!, drawn.at(-1)!];
  expect(box[1]! - (label[1]! + label[3]!)).toBeLessThan(3);
});

describe("several sizes", () => {
  const card = readCard({ ...cardJson, finder: { long_side: 704, max_scale: 2 } }).finder;
  const found = (x: number, width: number, score: number): FoundFace => ({
    box: [x, 0, x + width, 10],
    score,
  });
  /** Search where each size finds what it is given; the sizes and scales that were asked for. */
  async function search(
    longer: number,
    sizes: number[],
    faces: Record<number, FoundFace[]>,
  ): Promise<{ scores: number[]; asked: [number, number][] }> {
    const asked: [number, number][] = [];
    const all = await searchSizes(longer, sizes, card, async (size, { maxScale }) => {
      asked.push([size, maxScale]);
      return faces[size] ?? [];
    });
    return { scores: all.map(({ score }) => score), asked };
  }

  test("of the larger one only small faces count, and overlaps go", async () => {
    // 2,816 px are 4/3 of 2,112: faces up to 192 · 4/3 = 256 px are taken.
    const faces = {
      704: [found(0, 900, 0.8), found(2000, 30, 0.6)],
      2112: [found(1000, 256, 0.7), found(1500, 257, 0.9), found(2000, 31, 0.95)],
    };
    const { scores, asked } = await search(2816, [2112, 704, 704], faces);
    expect(scores).toEqual([0.95, 0.8, 0.7]);
    expect(asked).toEqual([
      [704, 2],
      [2112, 1],
    ]);
  });
  test("a picture that is not enlarged has the limit in its own pixels", async () => {
    const faces = { 2112: [found(0, 192, 0.5), found(500, 193, 0.9)] };
    expect((await search(1000, [704, 2112], faces)).scores).toEqual([0.5]);
  });
  test.each([
    [938, [704, 2112], [704]],
    [939, [704, 2112], [704, 2112]],
    [939, [704, 1408, 2816], [704, 1408]],
    [1878, [704, 1408, 2816], [704, 1408, 2816]],
    [5000, [704], [704]],
  ])("%d px are searched only where it gains: %j", async (longer, sizes, expected) => {
    const { asked } = await search(longer, sizes, {});
    expect(asked.map(([size]) => size)).toEqual(expected);
  });
  test("more than 500 faces are none", async () => {
    const crowd = (from: number): FoundFace[] =>
      Array.from({ length: 300 }, (_, i) => found(from + i * 20, 10, 0.5));
    expect((await search(9000, [704, 2112], { 704: crowd(0), 2112: crowd(6000) })).scores).toHaveLength(500);
  });
  test.each(rules.closer)("%d px at %d px: at %s px, as Python, but up to 2112", (longer, usual, named) => {
    const size = Math.min(named ?? 0, 2112);
    expect(closerSize(longer, usual)).toBe(size > 2 * usual ? size : undefined);
  });
  test.each([
    [1407, [704]],
    [1408, [704, 1408]],
    [6000, [704, 1408]],
  ])("%d px, unless told otherwise: %j", (longer, sizes) => {
    expect(usualSizes(longer, 704)).toEqual(sizes);
  });
  test.each([
    [1407, [704], undefined],
    [1408, [704], [704, 1408]], // there was no memory for the larger one
    [2816, [704, 1408], undefined],
    [2817, [704, 1408], [704, 2112]],
    [2817, [704, 2112], undefined],
  ])("%d px that were searched at %j: at %j more is found", (longer, searched, more) => {
    expect(closerSizes(longer, searched)).toEqual(more);
  });
});

describe("a picture file without its end", () => {
  const read = (path: string): Uint8Array<ArrayBuffer> =>
    new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
  const jpeg = read("examples/pictures/astronaut-masked.jpg");
  const join = (...parts: Uint8Array[]): Uint8Array<ArrayBuffer> =>
    new Uint8Array(parts.flatMap((part) => [...part]));
  // EXIF data with a small picture, as cameras write it.
  const small = jpeg.slice(0, 20_000);
  small.set([0xff, 0xd9], 19_998);
  const length = small.length + 2;
  const exif = join(jpeg.slice(0, 2), Uint8Array.of(0xff, 0xe1, length >> 8, length & 255), small, jpeg.slice(2));

  test.each([
    ["JPEG", jpeg],
    ["JPEG with a smaller one in it", exif],
    ["PNG", read("web/public/icon-192.png")],
  ])("%s is told from a whole one", (_, whole) => {
    expect(isCutOff(whole)).toBe(false);
    expect(isCutOff(join(whole, new Uint8Array(5000)))).toBe(false); // phones put films there
    for (const share of [0.5, 0.9, 0.99]) expect(isCutOff(whole.slice(0, whole.length * share))).toBe(true);
  });
  test("is left to the browser where there is nothing to see of it, or when it is of another format", () => {
    for (const bytes of [0, 1, 2, 3, 90]) expect(isCutOff(jpeg.slice(0, bytes))).toBe(false);
    expect(isCutOff(new TextEncoder().encode("GIF89a"))).toBe(false);
  });
});

describe("files", () => {
  type Json = { frame?: number }[];
  // A table of pictures, one of a picture and a film.
  const tables = fixture("tables.json") as { csv: string; json: Json; entries: Entry[] }[];
  test.each(tables)("are what Python writes, but for the numbers of a film's frames: %#", ({ csv, json, entries }) => {
    const unnumbered = csv.replace(/,\d+(,[\d.]+,\d*)$/gm, ",$1");
    expect(toCsv(entries, { labels })).toBe(unnumbered);
    expect(JSON.parse(toJson(entries, { labels }))).toEqual(json.map(({ frame: _, ...entry }) => entry));
  });
});

describe("counting a clip", () => {
  const frame = (...faces: Face[]) => ({ file: "a.mp4", width: 9, height: 9, faces });
  test("is counting tracks, each with its last label", () => {
    const [one, two] = [{ ...face([0, 0, 4, 4]), track: 1 }, { ...face([5, 0, 9, 4]), track: 2 }];
    const frames = [frame(one), frame({ ...one, label: 1 }, two), frame(face([0, 5, 4, 9]))];
    expect(new TrackCount().of(frames, () => true, { labels })).toEqual([1, 1, 0]);
    expect(new TrackCount().of([], () => true, { labels })).toEqual([0, 0, 0]);
  });
  test("looks at every frame of a growing clip once, and again when other faces are shown", () => {
    const count = new TrackCount();
    const frames: Entry[] = [];
    let looks = 0;
    const all = (): boolean => ++looks > 0;
    for (let track = 1; track <= 300; track++) {
      frames.push(frame({ ...face([0, 0, 4, 4]), track }));
      expect(count.of(frames, all, { labels })).toEqual([track, 0, 0]);
    }
    expect(looks).toBe(300);
    expect(count.of(frames, ({ track = 0 }) => track > 290, { labels })).toEqual([10, 0, 0]);
    expect(count.of([frame({ ...face([0, 0, 4, 4]), track: 1 })], all, { labels })).toEqual([1, 0, 0]);
  });
});

describe("what was scaled down", () => {
  test("comes back in pixels of the original: size and boxes", () => {
    const small = face([10, 20, 30, 40]);
    const { width, height, faces } = enlarged({ width: 1280, height: 721, faces: [small] }, 1920, 1081);
    expect([width, height]).toEqual([1920, 1081]);
    expect(faces).toEqual([{ ...small, box: [15, 30, 45, 60] }]);
  });
});

describe("votes", () => {
  const tracks = fixture("votes.json") as { probabilities: number[]; score: number; width: number; label: number }[][];
  test("are counted as in Python", () => {
    const labelled = tracks.map((looks) => {
      const votes = new Votes();
      return looks.map(({ probabilities, score, width }) => votes.add(probabilities, score, width));
    });
    expect(labelled).toEqual(tracks.map((looks) => looks.map(({ label }) => label)));
  });
  test("of that many looks, widths change the label of some: the comparison can fail", () => {
    const full = tracks.flatMap((looks) => {
      const votes = new Votes();
      return looks.filter(({ probabilities, score, label }) => votes.add(probabilities, score, 48) !== label);
    });
    expect(full.length).toBeGreaterThan(10);
  });
});

describe("tracks", () => {
  test("a narrow face has less to say than a wide one", () => {
    const after = (width: number): number => {
      const tracks = new Tracks();
      for (let i = 0; i < 3; i++) tracks.update([face([0, 0, 60, 70], 0)], i / 15, 0.3);
      let label = 0;
      for (let i = 3; i < 7; i++) {
        label = tracks.update([face([0, 0, width, 70], 1)], i / 15, 0.3)[0]!.label;
      }
      return label;
    };
    expect(after(60)).toBe(1);
    expect(after(24)).toBe(0);
  });
  test("one odd frame does not change the label, a lasting change does", () => {
    const tracks = new Tracks();
    const see = (label: number, frame: number): Face =>
      tracks.update([face([10 + frame, 10, 60 + frame, 70], label)], frame / 15, 0.3)[0]!;
    for (let i = 0; i < 10; i++) see(0, i);
    expect(see(1, 10)).toMatchObject({ label: 0, track: 1 });
    expect(see(0, 11)).toMatchObject({ label: 0, track: 1 });
    for (let i = 12; i < 24; i++) see(1, i);
    expect(see(1, 24)).toMatchObject({ label: 1, track: 1 });
    expect(tracks.counts(3)).toEqual([0, 1, 0]);
  });
  test("two faces keep their numbers, one that comes back late gets a new one", () => {
    const tracks = new Tracks();
    const both = [face([0, 0, 40, 40]), face([100, 0, 140, 40], 1)];
    expect(tracks.update(both, 0, 0.3).map(({ track }) => track)).toEqual([1, 2]);
    expect(tracks.update([...both].reverse(), 0.1, 0.3).map(({ track }) => track)).toEqual([2, 1]);
    expect(tracks.update(both, 5, 0.3).map(({ track }) => track)).toEqual([3, 4]);
    expect(tracks.counts(3)).toEqual([2, 2, 0]);
  });
  test("a face that was there in the last frame is still the same two seconds later", () => {
    const tracks = new Tracks();
    const one = face([0, 0, 40, 40]);
    expect(tracks.update([one], 0, 0.3)[0]?.track).toBe(1);
    expect(tracks.update([one], 2, 0.3)[0]?.track).toBe(1);
    tracks.update([], 2.1, 0.3);
    expect(tracks.update([one], 4, 0.3)[0]?.track).toBe(2);
  });
  test("a picture between frames has their numbers and labels, and its own boxes", () => {
    const tracks = new Tracks();
    tracks.update([face([0, 0, 40, 40])], 0, 0.3);
    const [here, other] = [face([9, 0, 49, 40], 1, 0.5), face([100, 0, 140, 40], 1)];
    const known = { ...here, label: 0, score: 0.9, track: 1 };
    expect(tracks.withTracks([other, here])).toEqual([other, known]);
    expect(tracks.counts(3)).toEqual([1, 0, 0]);
  });
  test("when the camera is turned, those in view count once, those who left stay counted", () => {
    const tracks = new Tracks();
    const [gone, here] = [face([0, 0, 40, 40], 1), face([100, 0, 140, 40])];
    tracks.update([gone, here], 0, 0.3);
    tracks.update([here], 2, 0.3);
    tracks.update([here], 2.1, 0.3);
    tracks.turn();
    expect(tracks.counts(3)).toEqual([1, 1, 0]);
    const faint = face([100, 100, 140, 140], 2, 0.2);
    expect(tracks.update([face([0, 100, 40, 140], 2), faint], 2.2, 0.3)[0]?.track).toBe(3);
    expect(tracks.counts(3)).toEqual([0, 1, 1]);
    expect(tracks.update([face([200, 100, 240, 140])], 2.3, 0.3)[0]?.track).toBe(4);
    expect(tracks.counts(3)).toEqual([1, 1, 1]);
  });
  test("a faint face begins no track, but continues one", () => {
    const tracks = new Tracks();
    const faint = face([0, 0, 9, 9], 0, 0.1);
    expect(tracks.update([faint], 0, 0.3)[0]?.track).toBeUndefined();
    expect(tracks.counts(3)).toEqual([0, 0, 0]);
    tracks.update([face([0, 0, 9, 9])], 0.1, 0.3);
    expect(tracks.update([faint], 0.2, 0.3)[0]?.track).toBe(1);
    expect(tracks.counts(3)).toEqual([1, 0, 0]);
  });
  test("the score shown is mostly that of the frames before", () => {
    const tracks = new Tracks();
    const scores = [0.9, 0.5, 0.5].map(
      (score, i) => tracks.update([face([0, 0, 40, 40], 0, score)], i / 15, 0.3)[0]!.score,
    );
    [0.9, 0.81, 0.74025].forEach((score, i) => expect(scores[i]).toBeCloseTo(score, 6));
  });
  test("a face that overlaps less than three tenths is another one", () => {
    const after = (left: number): number | undefined => {
      const tracks = new Tracks();
      tracks.update([face([0, 0, 40, 40])], 0, 0.3);
      return tracks.update([face([left, 0, left + 40, 40])], 0.1, 0.3)[0]?.track;
    };
    expect(after(21)).toBe(1); // 19 / 61
    expect(after(22)).toBe(2); // 18 / 62
  });
  test("what was seen later is not what is seen before", () => {
    const tracks = new Tracks();
    expect(tracks.update([face([0, 0, 40, 40])], 5, 0.3)[0]?.track).toBe(1);
    expect(tracks.update([face([0, 0, 40, 40])], 4.9, 0.3)[0]?.track).toBe(2);
  });
});

describe("another camera", () => {
  const away = { facingMode: "environment" };
  const person = { facingMode: "user" };

  test("is a phone's other side, whose lenses are one camera", () => {
    const phone = choices([
      { deviceId: "front", ...person },
      { deviceId: "wide", ...away },
      { deviceId: "far", ...away },
    ]);
    expect(nextCamera({ deviceId: "front", ...person }, phone)).toEqual(away);
    expect(nextCamera({ deviceId: "far", ...away }, phone)).toEqual({ deviceId: "front" });
    expect(nextCamera(away, phone)).toEqual({ deviceId: "front" }); // not open yet
  });
  test("is a computer's next one, whatever they say of where they look", () => {
    const round = (cameras: Which[]): (string | undefined)[] =>
      cameras.map((camera) => nextCamera(camera, choices(cameras)).deviceId);
    const [a, b, c] = [{ deviceId: "a" }, { deviceId: "b" }, { deviceId: "c" }];
    expect(round([a, b, c])).toEqual(["b", "c", "a"]);
    expect(round([{ ...a, ...person }, b])).toEqual(["b", "a"]);
    expect(round([{ ...a, ...person }, { ...b, ...person }, c])).toEqual(["b", "c", "a"]);
    expect(round([{ ...a, ...person }, c, { ...b, ...away }])).toEqual(["c", undefined, "a"]);
    expect(nextCamera({ deviceId: "gone" }, [a, b])).toEqual(a);
  });
});

describe("moving pictures in words", () => {
  test("a new count is told at most every five seconds, what stands still a moment later", () => {
    vi.useFakeTimers();
    const status = { textContent: "" };
    const teller = new Teller(status);
    const told = Array.from({ length: 120 }, (_, i) => {
      teller.moving(`${Math.floor(i / 10)} seen`); // another one every second
      vi.advanceTimersByTime(100);
      return status.textContent;
    });
    expect([...new Set(told)]).toEqual(["0 seen", "5 seen", "10 seen"]);
    teller.still("2 faces");
    teller.still("3 faces");
    expect(status.textContent).toBe("10 seen");
    vi.advanceTimersByTime(1000);
    expect(status.textContent).toBe("3 faces");
    teller.still("4 faces");
    teller.moving("11 seen"); // it went on before
    vi.advanceTimersByTime(1000);
    expect(status.textContent).toBe("3 faces");
    status.textContent = "";
    vi.advanceTimersByTime(6000);
    teller.moving("10 seen");
    teller.moving("10 seen");
    expect(status.textContent).toBe("");
    vi.useRealTimers();
  });
});

describe("the size at which faces are looked for", () => {
  const after = (time: number, frames = 200): number => {
    const pace = new Pace(800);
    for (let i = 0; i < frames; i++) pace.note(time);
    return pace.longSide;
  };
  test("falls on slow devices, rises on fast ones, and stays where it is right", () => {
    expect(after(150)).toBe(256);
    expect(after(6)).toBe(800);
    expect(after(50)).toBe(384);
    expect([after(57), after(59)]).toEqual([384, 256]);
    // 448 pixels take 1.36 times as long.
    expect([after(33.5), after(34)]).toEqual([512, 384]);
  });
});
