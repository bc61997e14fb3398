/**
 * The panel beside the picture: counts, the threshold, the faces one by one.
 */

import type { Card } from "../core/card";
import type { Face } from "../core/labelling";
import { countLabels } from "../core/records";
import { byId, make, say, sign } from "./dom";
import { inReadingOrder, percent, styleOf } from "./labels";

/** A list of more faces than this helps nobody. */
const LISTED = 60;

/** One face's line in the list. */
interface Row {
  item: HTMLLIElement;
  button: HTMLButtonElement;
  number: HTMLElement;
  chip: HTMLElement;
  score: HTMLElement;
  /** Which face it speaks of now. */
  face: Face | undefined;
}

export class Panel {
  threshold = 0.5;
  /** Whether a face is sure enough to be shown; another function when the threshold is another. */
  shows: (face: Face) => boolean = () => false;
  private readonly slider = byId<HTMLInputElement>("threshold");
  private readonly value = byId("threshold-value");
  private readonly list = byId<HTMLOListElement>("faces");
  /** Of each label in the card: its number, and its part of the bar below. */
  private readonly counts: { index: number; number: HTMLElement; part: HTMLElement }[] = [];
  /** By track, or by face where there is none. */
  private rows = new Map<Face | number, Row>();

  constructor(
    readonly card: Card,
    private readonly onThreshold: () => void,
    private readonly onMark: (face: Face | undefined) => void,
  ) {
    this.slider.addEventListener("input", () => this.setThreshold(Number(this.slider.value)));
    for (const name of ["sensitive", "default", "precise"]) {
      const value = card.thresholds[name];
      if (value === undefined) continue;
      const button = make("button", { type: "button", "data-value": String(value) }, name);
      button.addEventListener("click", () => this.setThreshold(value));
      byId("presets").append(button);
    }
    for (const label of inReadingOrder(card.labels)) {
      const number = make("dd");
      const name = make("dt", {}, sign(label), styleOf(label).long);
      const part = make("span", { class: label });
      byId("counts").append(make("div", { class: `count ${label}` }, name, number));
      byId("share-bar").append(part);
      this.counts.push({ index: card.labels.indexOf(label), number, part });
    }
    this.setThreshold(card.thresholds.default);
  }

  /**
   * Counts over everything that was looked at; `what` says what that is. In moving pictures this
   * runs many times a second: what is the same stays, for those who read it meanwhile.
   */
  showCounts(counts: readonly number[], what: string): void {
    for (const { index, number, part } of this.counts) {
      const count = String(counts[index]);
      say(number, count);
      part.hidden = counts[index] === 0;
      part.style.flexGrow = count;
    }
    const total = counts.reduce((a, b) => a + b, 0);
    const worn = counts[this.card.labels.indexOf("with_mask")] ?? 0;
    const share = `${percent(worn / total)} compliant: ${worn} of ${total} ${what}`;
    say(byId("share"), total === 0 ? "No faces yet." : share);
  }

  /**
   * The faces of what is shown, as buttons that point at them. A face that stays keeps its button,
   * and with it the focus: in moving pictures this runs many times a second.
   */
  showFaces(faces: readonly Face[]): void {
    const listed = faces.slice(0, LISTED);
    // By their tracks' numbers: the surest first would never stand still.
    if (listed.some(({ track }) => track !== undefined)) {
      listed.sort((a, b) => (a.track ?? Infinity) - (b.track ?? Infinity));
    }
    const before = this.rows;
    this.rows = new Map(
      listed.map((face) => [face.track ?? face, before.get(face.track ?? face) ?? this.row()]),
    );
    const items = new Set([...this.rows.values()].map(({ item }) => item));
    for (const child of [...this.list.children]) {
      if (!items.has(child as HTMLLIElement)) child.remove();
    }
    [...this.rows.values()].forEach((row, i) => {
      // To move a button takes its focus away; only new ones are put in.
      if (this.list.children[i] !== row.item) this.list.insertBefore(row.item, this.list.children[i] ?? null);
      this.fill(row, listed[i]!, i);
    });
    if (faces.length > LISTED) {
      this.list.append(make("li", { class: "more" }, `and ${faces.length - LISTED} more`));
    }
  }

  /** Number of faces per label among those that are sure enough. */
  count(faces: readonly Face[]): number[] {
    return countLabels(faces.filter(this.shows), this.card);
  }

  private row(): Row {
    const number = make("span", { class: "number" });
    const chip = make("span", { class: "chip" });
    const score = make("span", { class: "score" });
    const button = make("button", { type: "button" }, number, chip, score);
    const row: Row = { item: make("li", {}, button), button, number, chip, score, face: undefined };
    for (const event of ["pointerenter", "focus"]) {
      button.addEventListener(event, () => this.onMark(row.face));
    }
    for (const event of ["pointerleave", "blur"]) {
      button.addEventListener(event, () => this.onMark(undefined));
    }
    return row;
  }

  private fill(row: Row, face: Face, index: number): void {
    const label = this.card.labels[face.label] ?? "";
    const title = this.card.labels.map(
      (name, i) => `${styleOf(name).long} ${percent(face.probabilities[i] ?? 0)}`,
    );
    row.button.title = title.join(" · ");
    say(row.number, face.track === undefined ? String(index + 1) : `#${face.track}`);
    say(row.score, percent(face.score));
    if (row.face?.label !== face.label) {
      row.button.className = `face ${label}`;
      row.chip.replaceChildren(sign(label), styleOf(label).long);
    }
    row.face = face;
  }

  private setThreshold(value: number): void {
    this.threshold = value;
    this.shows = ({ score }) => score >= value;
    this.slider.value = String(value);
    this.value.textContent = percent(value);
    this.slider.setAttribute("aria-valuetext", percent(value));
    for (const button of byId("presets").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.value) === value));
    }
    this.onThreshold();
  }
}
