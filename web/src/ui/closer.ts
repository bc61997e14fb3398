/**
 * The offer to look closer, above the list of faces: at a picture so large that small faces are
 * lost at the usual size. Of other pictures it says nothing.
 */

import { closerSize } from "../core/pyramid";
import { byId } from "./dom";
import type { Item } from "./gallery";

export class Closer {
  private readonly part = byId("closer");
  private readonly said = byId("closer-said");
  private readonly button = byId<HTMLButtonElement>("look-closer");
  private item: Item | undefined;
  private sizes: number[] = [];

  /** `onLook` is called with the picture and the sizes that it should be searched at. */
  constructor(onLook: (item: Item, sizes: number[]) => void) {
    this.button.addEventListener("click", () => {
      if (this.item !== undefined && !this.item.looking) onLook(this.item, this.sizes);
    });
  }

  /** Say what size the picture was searched at, or nothing. */
  show(item: Item | undefined): void {
    const { width = 0, height = 0, longSides: [usual = 0, second] = [] } = item?.result ?? {};
    const longer = Math.max(width, height);
    const larger = closerSize(longer, usual);
    this.item = item;
    this.part.hidden = item === undefined || larger === undefined;
    if (item === undefined || larger === undefined) return;
    this.sizes = [usual, larger];
    const once = `Searched at ${usual} of ${longer}\u00a0px: small faces may be missing.`;
    const twice = `Searched at ${usual} and ${second} of ${longer}\u00a0px.`;
    this.said.textContent = item.complaint ?? (second === undefined ? once : twice);
    // Not disabled while it is busy, which would take the focus away.
    this.button.textContent = item.looking ? "Looking …" : "Look closer";
    this.button.setAttribute("aria-disabled", String(item.looking));
    if (second !== undefined && document.activeElement === this.button) this.said.focus();
    this.button.hidden = second !== undefined;
  }
}
