/**
 * Puts pictures on the stage, each as soon as it is unpacked. One at a time: a large one takes
 * hundreds of megabytes meanwhile.
 */

import type { Item } from "./gallery";
import type { Stage } from "./stage";

export class Viewer {
  /** Whose picture is on the stage; of one that cannot be read, nothing is. */
  shown: Item | undefined;
  private wanted: Item | undefined;
  private working = false;

  /** `onShown` is called when a picture is there, or cannot be. */
  constructor(
    private readonly stage: Stage,
    private readonly onShown: () => void,
  ) {}

  /** Show a picture; nothing in its place until it is there. */
  open(item: Item): void {
    this.close();
    this.wanted = item;
    this.stage.showNothing(item.result ?? this.stage.size);
    void this.work();
  }

  /** Leave the stage to others. */
  close(): void {
    this.wanted = undefined;
    this.shown = undefined;
  }

  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    let item: Item | undefined;
    while ((item = this.wanted) !== this.shown && item !== undefined) {
      const bitmap = await createImageBitmap(item.file).catch(() => undefined);
      if (item !== this.wanted) {
        bitmap?.close();
        continue;
      }
      if (bitmap === undefined) this.stage.showNothing();
      else this.stage.showPicture(bitmap);
      this.shown = item;
      this.onShown();
    }
    this.working = false;
  }
}
