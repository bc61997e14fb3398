/**
 * The label of a followed face: a vote over its recent looks. The page's copy of
 * `masklens.stream.votes`, tested against it; the rule is in docs/video.md.
 */

/** Share of the old votes that is left at the next look: about the last eight looks count. */
const MEMORY = 0.88;
/** Another label must lead by this share of all votes before the label changes to it. */
const LEAD = 0.15;
/** Faces this wide (pixels) and wider have a full vote, narrower ones less. */
const FULL_WIDTH = 48;

export class Votes {
  private votes: number[] = [];
  /** Index of the label so far; undefined before the first look. */
  label: number | undefined;

  /**
   * Take one look into account and return the label. `probabilities` are those of the labels, given
   * that it is a face; `score`, 0…1, is the look's; `width` is the face's in pixels.
   */
  add(probabilities: readonly number[], score: number, width: number): number {
    const weight = score * Math.min(1, width / FULL_WIDTH);
    this.votes = probabilities.map((p, i) => (this.votes[i] ?? 0) * MEMORY + weight * p);
    const lead = LEAD * this.votes.reduce((a, b) => a + b, 0);
    const shares = this.votes.map((votes, i) => (i === this.label ? votes + lead : votes));
    this.label = shares.indexOf(Math.max(...shares));
    return this.label;
  }
}
