/**
 * Results as files: the JSON and CSV of `masklens detect`, as docs/formats.md describes them.
 */

import type { Face } from "./labelling";

export interface Labels {
  labels: readonly string[];
}

/** One picture, or one frame of a video, with the faces that are kept. */
export interface Entry {
  file: string;
  width: number;
  height: number;
  /** Seconds from the start, in videos. */
  time?: number;
  faces: readonly Face[];
}

interface FaceRecord {
  box: number[];
  label: string;
  score: number;
  face_score: number;
  probabilities: Record<string, number>;
  track?: number;
}

/** The faces as JSON values: boxes as x, y, width, height in pixels, probabilities by label. */
function faceRecord(face: Face, { labels }: Labels): FaceRecord {
  const [x1, y1, x2, y2] = face.box;
  return {
    box: [x1, y1, x2 - x1, y2 - y1].map((value) => round(value, 2)),
    label: labels[face.label] ?? "",
    score: round(face.score, 5),
    face_score: round(face.faceScore, 5),
    probabilities: Object.fromEntries(
      face.probabilities.map((p, i) => [labels[i] ?? "", round(p, 5)]),
    ),
    ...(face.track === undefined ? {} : { track: face.track }),
  };
}

/** A list with an entry per picture. */
export function toJson(entries: readonly Entry[], labels: Labels): string {
  const records = entries.map(({ faces, ...entry }) => ({
    ...entry,
    faces: faces.map((face) => faceRecord(face, labels)),
  }));
  return `${JSON.stringify(records, null, 2)}\n`;
}

/**
 * One row per face; a picture without a face has no row. A clip's column `frame` is empty: a player
 * does not tell which of a film's frames it shows.
 */
export function toCsv(entries: readonly Entry[], { labels }: Labels): string {
  const timed = entries.some(({ time }) => time !== undefined);
  const header = [
    ..."file x y w h label score face_score".split(" "),
    ...labels.map((label) => `p_${label}`),
    ...(timed ? ["frame", "time", "track"] : []),
  ];
  const rows = entries.flatMap(({ file, time, faces }) =>
    faces.map((face) => {
      const record = faceRecord(face, { labels });
      return [
        file,
        ...record.box,
        record.label,
        record.score,
        record.face_score,
        ...labels.map((label) => record.probabilities[label] ?? ""),
        ...(timed ? ["", time ?? "", record.track ?? ""] : []),
      ];
    }),
  );
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** Number of faces per label, in the labels' order. */
export function countLabels(faces: readonly Face[], { labels }: Labels): number[] {
  return labels.map((_, i) => faces.filter(({ label }) => label === i).length);
}

/** Counts the tracks of a clip while it is watched: a frame that was counted is not counted again. */
export class TrackCount {
  private frames: readonly Entry[] = [];
  private shows: (face: Face) => boolean = () => true;
  private counted = 0;
  private readonly last = new Map<number, number>();

  /**
   * Number of tracks per label, in the labels' order; a track's label is that of its last face that
   * `shows`. Frames may be added to the list; another list, or another function, is counted anew.
   */
  of(frames: readonly Entry[], shows: (face: Face) => boolean, { labels }: Labels): number[] {
    if (frames !== this.frames || shows !== this.shows) {
      this.frames = frames;
      this.shows = shows;
      this.counted = 0;
      this.last.clear();
    }
    for (const { faces } of frames.slice(this.counted)) {
      for (const face of faces) if (face.track !== undefined && shows(face)) this.last.set(face.track, face.label);
    }
    this.counted = frames.length;
    return labels.map((_, i) => [...this.last.values()].filter((label) => label === i).length);
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
