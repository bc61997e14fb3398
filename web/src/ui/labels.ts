/**
 * How labels look and read: a word, a sign, a colour and a line pattern each, so that colour is
 * never the only sign. Words and colours are those of `masklens.io.draw`; the signs are index.html's.
 */

export interface LabelStyle {
  /** On a picture, where room is short. */
  short: string;
  /** In a list. */
  long: string;
  colour: string;
  ink: string;
  /** Of the box's line, in multiples of its width; none is a whole line. */
  dash: readonly number[];
}

const STYLES: Record<string, LabelStyle> = {
  with_mask: {
    short: "mask",
    long: "With mask",
    colour: "#28c88c",
    ink: "#00170c",
    dash: [],
  },
  mask_worn_incorrectly: {
    short: "badly worn",
    long: "Badly worn",
    colour: "#ffa01e",
    ink: "#1b1300",
    dash: [5, 2.5],
  },
  without_mask: {
    short: "no mask",
    long: "No mask",
    colour: "#d62728",
    ink: "#fff",
    dash: [2, 1],
  },
};

/** How a label looks; one that is not known is grey and goes by its own name. */
export function styleOf(label: string): LabelStyle {
  return STYLES[label] ?? { short: label, long: label, colour: "#5a5a5a", ink: "#fff", dash: [] };
}

/** Labels in the order a person wants them: worn, badly worn, not worn. */
export function inReadingOrder(labels: readonly string[]): string[] {
  const order = Object.keys(STYLES);
  const place = (label: string): number => (order.indexOf(label) + 1 || order.length + 1);
  return [...labels].sort((a, b) => place(a) - place(b));
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
