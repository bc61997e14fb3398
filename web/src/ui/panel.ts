/**
 * The panel beside the picture: counts, the threshold, the faces one by one.
 */

import type { Card } from "../core/card";
import type { Face } from "../core/labelling";
import { countLabels } from "../core/records";
import { byId, make, sign } from "./dom";
import { inReadingOrder, percent, styleOf } from "./labels";

/** A list of more faces than this helps nobody. */
const LISTED = 60;

export class Panel {
  threshold = 0.5;
  private readonly slider = byId<HTMLInputElement>("threshold");
  private readonly value = byId("threshold-value");
  private readonly list = byId<HTMLOListElement>("faces");
  private listed = "";

  constructor(
    private readonly card: Card,
    private readonly onThreshold: () => void,
    private readonly onMark: (face: Face | undefined) => void,
  ) {
    this.slider.disabled = false;
    this.slider.addEventListener("input", () => this.setThreshold(Number(this.slider.value)));
    for (const name of ["sensitive", "default", "precise"]) {
      const value = card.thresholds[name];
      if (value === undefined) continue;
      const button = make("button", { type: "button", "data-value": String(value) }, name);
      button.addEventListener("click", () => this.setThreshold(value));
      byId("presets").append(button);
    }
    this.setThreshold(card.thresholds.default);
  }

  /** Whether a face is sure enough to be shown. */
  readonly shows = (face: Face): boolean => face.score >= this.threshold;

  /** Counts over everything that was looked at; `what` says what that is. */
  showCounts(counts: readonly number[], what: string): void {
    const { labels } = this.card;
    byId("counts").replaceChildren(
      ...inReadingOrder(labels).map((label) => {
        const name = make("dt", {}, sign(label), styleOf(label).long);
        const number = make("dd", {}, String(counts[labels.indexOf(label)]));
        return make("div", { class: `count ${label}` }, name, number);
      }),
    );
    const total = counts.reduce((a, b) => a + b, 0);
    const bar = byId("share-bar");
    bar.replaceChildren(
      ...inReadingOrder(labels.filter((_, i) => counts[i]! > 0)).map((label) => {
        const part = make("span", { class: label });
        part.style.setProperty("flex-grow", String(counts[labels.indexOf(label)]));
        return part;
      }),
    );
    const worn = counts[labels.indexOf("with_mask")] ?? 0;
    byId("share").textContent =
      total === 0 ? "No faces yet." : `${percent(worn / total)} compliant: ${worn} of ${total} ${what}`;
  }

  /** The faces of what is shown, as buttons that point at them. */
  showFaces(faces: readonly Face[]): void {
    const rows = faces.slice(0, LISTED);
    // In moving pictures this runs many times a second; a list that stays is left as it is.
    const content = rows.map((face) => `${face.track}/${face.label}/${percent(face.score)}`).join();
    if (content === this.listed && content !== "" && rows.every((face) => face.track !== undefined)) {
      return;
    }
    this.listed = content;
    this.list.replaceChildren(...rows.map((face, i) => this.row(face, i)));
    if (faces.length > LISTED) {
      this.list.append(make("li", { class: "more" }, `and ${faces.length - LISTED} more`));
    }
  }

  /** Number of faces per label among those that are sure enough. */
  count(faces: readonly Face[]): number[] {
    return countLabels(faces.filter(this.shows), this.card);
  }

  private row(face: Face, index: number): HTMLLIElement {
    const label = this.card.labels[face.label] ?? "";
    const number = face.track === undefined ? String(index + 1) : `#${face.track}`;
    const button = make(
      "button",
      { type: "button", class: `face ${label}` },
      make("span", { class: "number" }, number),
      make("span", { class: "chip" }, sign(label), styleOf(label).long),
      make("span", { class: "score" }, percent(face.score)),
    );
    const title = this.card.labels.map(
      (name, i) => `${styleOf(name).long} ${percent(face.probabilities[i] ?? 0)}`,
    );
    button.title = title.join(" · ");
    for (const event of ["pointerenter", "focus"]) {
      button.addEventListener(event, () => this.onMark(face));
    }
    for (const event of ["pointerleave", "blur"]) {
      button.addEventListener(event, () => this.onMark(undefined));
    }
    return make("li", {}, button);
  }

  private setThreshold(value: number): void {
    this.threshold = value;
    this.slider.value = String(value);
    this.value.textContent = percent(value);
    this.slider.setAttribute("aria-valuetext", percent(value));
    for (const button of byId("presets").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.value) === value));
    }
    this.onThreshold();
  }
}
