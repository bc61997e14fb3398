/**
 * What the person brought: pictures and clips, worked on one after the other, shown as a strip.
 * Files stay files; only the one that is looked at is held as pixels.
 */

import { sentence } from "../core/errors";
import type { Face } from "../core/labelling";
import type { Entry } from "../core/records";
import type { Engine } from "../engine/client";
import type { Labelled } from "../engine/protocol";
import { byId, make, say, sign } from "./dom";

export interface Item {
  /** Of the file; with its folders, if it came in one. */
  name: string;
  file: Blob;
  kind: "picture" | "clip";
  /** Clips are looked at while they play, and never wait. */
  state: "waiting" | "done" | "failed";
  /** It is labelled already, and now looked at closer. */
  looking: boolean;
  /** It was looked at closer. */
  closer: boolean;
  /** Of a picture that is done. */
  result?: Labelled;
  /** Of a picture that failed: a sentence. */
  error?: string;
  /** Of a picture that could not be looked at closer: a sentence. */
  complaint?: string;
  /** Of a clip: the frames that were looked at so far. */
  frames: Entry[];
}

const THUMBNAIL = 112;

export class Gallery {
  readonly items: Item[] = [];
  selected: Item | undefined;
  private readonly list = byId<HTMLOListElement>("items");
  private readonly buttons = new Map<Item, HTMLButtonElement>();
  private working = false;

  constructor(
    private readonly engine: Engine,
    private readonly onSelect: (item: Item) => void,
    private readonly onDone: (item: Item) => void,
    private readonly badge: (item: Item) => string,
  ) {}

  /** Take files; the first new one is shown. */
  add(files: readonly File[]): void {
    const added = files.map((file): Item => {
      const isClip = file.type.startsWith("video/");
      const [kind, state] = [isClip ? "clip" : "picture", isClip ? "done" : "waiting"] as const;
      return { name: file.name || "pasted picture", file, kind, state, looking: false, closer: false, frames: [] };
    });
    if (added.length === 0) return;
    this.items.push(...added);
    for (const item of added) {
      const button = make("button", { type: "button", class: "item", title: item.name });
      const name = make("span", { class: "item-name" }, fileName(item));
      button.append(name, " ", make("span", { class: "badge" }, this.badge(item)));
      if (item.kind === "clip") button.prepend(sign("play"));
      button.addEventListener("click", () => this.select(item));
      this.buttons.set(item, button);
      this.list.append(make("li", {}, button));
    }
    byId("strip").hidden = false;
    this.select(added[0]!);
    void this.work();
  }

  select(item: Item): void {
    this.selected = item;
    for (const [other, button] of this.buttons) {
      button.setAttribute("aria-current", String(other === item));
    }
    this.scrollTo(this.buttons.get(item));
    this.onSelect(item);
  }

  /** Scroll the strip; `scrollIntoView` would scroll the page, too. */
  private scrollTo(button: HTMLElement | undefined): void {
    if (button === undefined) return;
    const { left, right } = button.getBoundingClientRect();
    const list = this.list.getBoundingClientRect();
    if (left < list.left) this.list.scrollLeft += left - list.left;
    else if (right > list.right) this.list.scrollLeft += right - list.right;
  }

  clear(): void {
    this.items.length = 0;
    this.selected = undefined;
    this.buttons.clear();
    this.list.replaceChildren();
    byId("strip").hidden = true;
  }

  /** Label a picture again, at several sizes; the result that is there stays if that fails. */
  async lookCloser(item: Item, longSides: number[]): Promise<void> {
    if (item.looking) return;
    item.looking = true;
    delete item.complaint;
    try {
      item.result = await this.engine.label(item.file, longSides);
      item.closer = true;
    } catch (error) {
      item.complaint = `Looking closer failed, the first result stays. ${reason(error)}`;
    }
    item.looking = false;
    if (this.buttons.has(item)) this.onDone(item);
  }

  /** Write the number of faces, or what is wrong, below each picture again. */
  refresh(): void {
    for (const [item, button] of this.buttons) {
      say(button.querySelector(".badge")!, this.badge(item));
    }
  }

  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    let item: Item | undefined;
    while ((item = this.next()) !== undefined) {
      await this.label(item);
      if (!this.buttons.has(item)) continue; // cleared meanwhile
      this.refresh();
      this.onDone(item);
      await this.thumbnail(item);
    }
    this.working = false;
  }

  /** The next one to label: first of all the one that is looked at. */
  private next(): Item | undefined {
    return [this.selected, ...this.items].find((item) => item?.state === "waiting");
  }

  private async label(item: Item): Promise<void> {
    try {
      item.result = await this.engine.label(item.file);
      item.state = "done";
    } catch (error) {
      item.error = reason(error);
      item.state = "failed";
    }
  }

  private async thumbnail(item: Item): Promise<void> {
    const button = this.buttons.get(item);
    if (button === undefined) return;
    if (item.result === undefined) return button.prepend(sign("mask_worn_incorrectly"));
    const { width, height } = item.result;
    const shorter = Math.min(width, height);
    const bitmap = await createImageBitmap(item.file, {
      resizeWidth: Math.max(1, Math.round((width * THUMBNAIL) / shorter)),
      resizeHeight: Math.max(1, Math.round((height * THUMBNAIL) / shorter)),
      resizeQuality: "medium",
    }).catch(() => undefined);
    if (bitmap === undefined) return; // the file is gone, or too thin to scale: its name stays
    const canvas = make("canvas", { width: String(THUMBNAIL), height: String(THUMBNAIL) });
    const context = canvas.getContext("2d")!;
    context.drawImage(bitmap, (THUMBNAIL - bitmap.width) / 2, (THUMBNAIL - bitmap.height) / 2);
    bitmap.close();
    button.prepend(canvas);
  }
}

/** Why a picture could not be labelled. The runtime's words for a lack of memory help nobody. */
function reason(error: unknown): string {
  const message = sentence(error);
  const memory = /bad_alloc|memory|allocat/i.test(message);
  return memory ? "There is not enough memory for this picture." : message;
}

export function isBusy({ state, looking }: Item): boolean {
  return state === "waiting" || looking;
}

/** The name without folders. */
export function fileName({ name }: Item): string {
  return name.split("/").at(-1)!;
}

/** Whether an item says anything in files. */
export function hasEntries({ result, frames }: Item): boolean {
  return result !== undefined || frames.length > 0;
}

/** What an item says in files: one entry per picture, one per frame of a clip. */
export function entriesOf(item: Item, shows: (face: Face) => boolean): Entry[] {
  if (item.kind === "clip") {
    return item.frames.map((frame) => ({ ...frame, faces: frame.faces.filter(shows) }));
  }
  if (item.result === undefined) return [];
  const { width, height, faces } = item.result;
  return [{ file: item.name, width, height, faces: faces.filter(shows) }];
}
