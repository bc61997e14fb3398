/**
 * Moving pictures: faces of one frame are joined to those of the last ones by overlap, and a
 * track's label is a vote over its recent frames, so that labels do not flicker. A face that is
 * lost comes back under its number if it does so soon.
 */

import { overlap, type Box } from "./boxes";
import type { Face } from "./labelling";
import { Votes } from "./votes";

/** Overlap from which a face continues a track. */
const SAME_FACE = 0.3;
/** Share of a frame's score in the shown one. */
const FRESH = 0.225;
/** A track is given up after this many seconds without its face. */
const PATIENCE = 1;
/** … or this many, if it was there in the last frame: the first frames take long on slow devices. */
const LAST_FRAME_PATIENCE = 3;
/** Share of the new box in the shown one: enough to follow, little enough not to tremble. */
const FOLLOW = 0.65;

interface Track {
  id: number;
  box: Box;
  votes: Votes;
  label: number;
  score: number;
  seen: number;
}

export class Tracks {
  private tracks: Track[] = [];
  private next = 1;
  /** When the last frame was, in seconds. */
  private last = -Infinity;
  private readonly seen = new Map<number, number>();
  /** Tracks that were in view at a turn: each stays counted until one after it takes its place. */
  private readonly turned: number[] = [];

  /**
   * Take one frame's faces; they come back with their track, the track's label and smoothed
   * box and score. `time` is in seconds; `threshold` is what it takes to begin a track.
   */
  update(faces: readonly Face[], time: number, threshold: number): Face[] {
    this.tracks = this.tracks.filter(({ seen }) => {
      const patience = seen === this.last ? LAST_FRAME_PATIENCE : PATIENCE;
      return seen <= time && time - seen <= patience;
    });
    this.last = time;
    const joined = this.joined(faces);
    return faces.map((face) => {
      // A faint face alone begins no track; it may continue one.
      const track = joined.get(face) ?? (face.score >= threshold ? this.begin(face, time) : undefined);
      return track === undefined ? face : this.follow(track, face, time);
    });
  }

  /** Faces of a picture taken between frames: with their tracks' numbers and labels, not counted. */
  withTracks(faces: readonly Face[]): Face[] {
    const joined = this.joined(faces);
    return faces.map((face) => {
      const track = joined.get(face);
      if (track === undefined) return face;
      return { ...face, label: track.label, score: track.score, track: track.id };
    });
  }

  /** Which face continues which track: those that overlap most. */
  private joined(faces: readonly Face[]): Map<Face, Track> {
    const pairs = this.tracks
      .flatMap((track) => faces.map((face) => ({ track, face, iou: overlap(track.box, face.box) })))
      .filter(({ iou }) => iou >= SAME_FACE)
      .sort((a, b) => b.iou - a.iou);
    const joined = new Map<Face, Track>();
    const taken = new Set<Track>();
    for (const { track, face } of pairs) {
      if (taken.has(track) || joined.has(face)) continue;
      joined.set(face, track);
      taken.add(track);
    }
    return joined;
  }

  /**
   * The camera was turned, or is another one: every face is somewhere else from now on. Those that
   * were there get new numbers, and count once, also if they do not come back.
   */
  turn(): void {
    this.turned.push(...this.tracks.map(({ id }) => id));
    this.tracks = [];
  }

  /** Number of tracks so far per label, in the labels' order. */
  counts(labels: number): number[] {
    const counts = Array.from({ length: labels }, () => 0);
    for (const label of this.seen.values()) counts[label]! += 1;
    return counts;
  }

  private begin(face: Face, time: number): Track {
    const { box, label, score } = face;
    const votes = new Votes();
    const track = { id: this.next++, box, votes, label, score, seen: time };
    this.tracks.push(track);
    const before = this.turned.shift();
    if (before !== undefined) this.seen.delete(before);
    return track;
  }

  private follow(track: Track, face: Face, time: number): Face {
    track.box = track.box.map(
      (old, i) => old + (face.box[i]! - old) * FOLLOW,
    ) as unknown as Box;
    const width = track.box[2] - track.box[0];
    track.label = track.votes.add(face.probabilities, face.score, width);
    track.score += (face.score - track.score) * FRESH;
    track.seen = time;
    this.seen.set(track.id, track.label);
    return { ...face, box: track.box, label: track.label, score: track.score, track: track.id };
  }
}
