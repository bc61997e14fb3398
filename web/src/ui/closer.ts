/**
 * The offer to look closer, above the list of faces: at a picture so large that small faces are
 * lost at the usual sizes. Of other pictures it says nothing.
 */

import { closerSizes } from "../core/pyramid";
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

  /** Say what sizes the picture was searched at, or nothing. */
  show(item: Item | undefined): void {
    this.item = item;
    const { width = 0, height = 0, longSides = [] } = item?.result ?? {};
    const longer = Math.max(width, height);
    const more = item?.result && closerSizes(longer, longSides);
    this.part.hidden = item === undefined || (more === undefined && !item.closer);
    if (item === undefined || this.part.hidden) return;
    this.sizes = more ?? [];
    const where = `Searched at ${longSides.join(" and ")} of ${longer}\u00a0px`;
    const said = more === undefined ? `${where}.` : `${where}: small faces may be missing.`;
    this.said.textContent = item.complaint ?? said;
    // Not disabled while it is busy, which would take the focus away.
    this.button.textContent = item.looking ? "Looking …" : "Look closer";
    this.button.setAttribute("aria-disabled", String(item.looking));
    if (more === undefined && document.activeElement === this.button) this.said.focus();
    this.button.hidden = more === undefined;
  }
}
