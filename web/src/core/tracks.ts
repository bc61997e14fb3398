/**
 * Moving pictures: faces of one frame are joined to those of the last ones by overlap, and a
 * track's label is a vote over its recent frames, so that labels do not flicker. A face that is
 * lost comes back under its number if it does so soon.
 */

import type { Box } from "./crop";
import { overlap } from "./finder";
import type { Face } from "./labelling";

/** Overlap from which a face continues a track. */
const SAME_FACE = 0.3;
/** Share of the old votes that is left after a frame: about the last eight frames count. */
const MEMORY = 0.88;
/** Another label must lead by this share of all votes before the track changes to it. */
const LEAD = 0.15;
/** A track is given up after this many seconds without its face. */
const PATIENCE = 1;
/** Share of the new box in the shown one: enough to follow, little enough not to tremble. */
const FOLLOW = 0.65;

interface Track {
  id: number;
  box: Box;
  votes: number[];
  label: number;
  score: number;
  seen: number;
  /** Sure enough at least once: from then on it counts. */
  counted: boolean;
}

export class Tracks {
  private tracks: Track[] = [];
  private next = 1;
  private readonly seen = new Map<number, number>();

  /**
   * Take one frame's faces; they come back with their track, the track's label and smoothed
   * box and score. `time` is in seconds; `threshold` is what makes a track count.
   */
  update(faces: readonly Face[], time: number, threshold: number): Face[] {
    this.tracks = this.tracks.filter(({ seen }) => time - seen <= PATIENCE && seen <= time);
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
    return faces.map((face) => {
      // A faint face alone begins no track; it may continue one.
      const track = joined.get(face) ?? (face.score >= threshold ? this.begin(face, time) : undefined);
      return track === undefined ? face : this.follow(track, face, time, threshold);
    });
  }

  /** Number of tracks so far per label, in the labels' order. */
  counts(labels: number): number[] {
    const counts = Array.from({ length: labels }, () => 0);
    for (const label of this.seen.values()) counts[label]! += 1;
    return counts;
  }

  private begin(face: Face, time: number): Track {
    const { box, label, score } = face;
    const votes = face.probabilities.map(() => 0);
    const track = { id: this.next++, box, votes, label, score, seen: time, counted: false };
    this.tracks.push(track);
    return track;
  }

  private follow(track: Track, face: Face, time: number, threshold: number): Face {
    const sum = face.probabilities.reduce((a, b) => a + b, 0) || 1;
    // A sure face has more to say than a faint one.
    track.votes = track.votes.map(
      (old, i) => old * MEMORY + (face.probabilities[i]! / sum) * face.score,
    );
    const total = track.votes.reduce((a, b) => a + b, 0) || 1;
    const leader = track.votes.indexOf(Math.max(...track.votes));
    if (track.votes[leader]! - track.votes[track.label]! > LEAD * total) track.label = leader;
    track.box = track.box.map(
      (old, i) => old + (face.box[i]! - old) * FOLLOW,
    ) as unknown as Box;
    track.score += (face.score - track.score) * (1 - MEMORY ** 2);
    track.seen = time;
    track.counted ||= face.score >= threshold;
    if (track.counted) this.seen.set(track.id, track.label);
    return { ...face, box: track.box, label: track.label, score: track.score, track: track.id };
  }
}
