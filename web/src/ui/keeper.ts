/**
 * The buttons that keep something: what is shown, with its boxes, as a file or for others, and all
 * faces as tables.
 */

import type { Card } from "../core/card";
import type { Face } from "../core/labelling";
import { toCsv, toJson, type Entry } from "../core/records";
import { byId, disable } from "./dom";
import { savedPicture } from "./draw";
import { canShare, saveFile, shareFile } from "./host";

// Twice: in the panel, and for phones, where the panel lies below the screen, at the camera.
const SAVING = ["save-picture", "save-frame"];
const SHARING = ["share-picture", "share-frame"];
const TABLES = { json: toJson, csv: toCsv };
const TYPES = { json: "application/json", csv: "text/csv" };

/** A picture at its full size with the faces that are kept of it. */
export interface Sheet {
  bitmap: ImageBitmap;
  faces: readonly Face[];
  /** Of its file, without folders and ending. */
  stem: string;
  type: "image/png" | "image/jpeg";
}

/** Where it comes from, and who is told how it went. */
export interface Source {
  sheet(): Promise<Sheet>;
  entries(): readonly Entry[];
  card(): Card;
  onBegin(): void;
  onDone(words: string): void;
  onError(error: unknown): void;
}

export class Keeper {
  constructor(private readonly source: Source) {
    for (const id of SAVING) this.listen(id, "picture", () => this.picture(saveFile));
    for (const id of SHARING) {
      this.listen(id, "picture", () => this.picture(shareFile));
      byId(id).hidden = !canShare();
    }
    for (const kind of ["json", "csv"] as const) {
      this.listen(`save-${kind}`, "table", () => this.table(kind));
    }
  }

  /** Whether there is a picture, and whether there are results. */
  allow(picture: boolean, tables: boolean): void {
    for (const id of [...SAVING, ...SHARING]) disable(id, !picture);
    for (const id of ["save-json", "save-csv"]) disable(id, !tables);
  }

  /** Say that something was handed over, or why it could not be. */
  private listen(id: string, what: string, keep: () => Promise<void>): void {
    byId(id).addEventListener("click", () => {
      this.source.onBegin();
      keep().then(
        () => this.source.onDone(`The ${what} was handed over.`),
        (error: unknown) => this.source.onError(error),
      );
    });
  }

  private async picture(to: (name: string, content: Blob) => Promise<void>): Promise<void> {
    const { bitmap, faces, stem, type } = await this.source.sheet();
    const content = await savedPicture(bitmap, faces, this.source.card().labels, type);
    await to(`${stem}-masklens.${type === "image/png" ? "png" : "jpg"}`, content);
  }

  private async table(kind: "json" | "csv"): Promise<void> {
    const content = TABLES[kind](this.source.entries(), this.source.card());
    await saveFile(`masklens.${kind}`, new Blob([content], { type: TYPES[kind] }));
  }
}
