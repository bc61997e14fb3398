/**
 * The page's side of the worker: calls that return promises.
 */

import type { Card } from "../core/card";
import { sentence } from "../core/errors";
import { compilePacked } from "./files";
import { markFirst } from "./marks";
import type { Answer, Labelled, Request } from "./protocol";

type Pending = { resolve: (answer: Answer) => void; reject: (error: Error) => void };
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

export class Engine {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private readonly pending = new Map<number, Pending>();
  private next = 0;
  /** Why the worker answers no more. */
  private failure: Error | undefined;

  /** The card, once models and runtime are loaded. Rejects when they cannot be. */
  readonly card: Promise<Card>;

  /** Both are URLs relative to the page; `model` ends with a slash. */
  constructor(runtime: string, model: string) {
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => this.settle(data);
    this.worker.onerror = (event) => {
      const reason = event.message || "it could not be started";
      this.failure = new Error(`The engine stopped: ${reason}. Reload the page.`);
      for (const { reject } of this.pending.values()) reject(this.failure);
      this.pending.clear();
    };
    const absolute = (url: string): string => new URL(url, document.baseURI).href;
    this.card = this.ask({ kind: "load", model: absolute(model) }).then(
      (answer) => (answer as Extract<Answer, { kind: "card" }>).card,
    );
    // Here and not in the worker: it is compiled while the worker starts.
    void compilePacked(absolute(runtime))
      .finally(() => markFirst("runtime compiled"))
      .catch((error: unknown) => new Error(sentence(error)))
      .then((compiled) => this.ask({ kind: "runtime", runtime: compiled }))
      .catch(() => undefined); // the card's promise tells
  }

  /**
   * Label a picture: a file, or a bitmap, which is handed over. Faces are looked for at `longSides`
   * pixels, the card's by default.
   */
  async label(picture: Blob | ImageBitmap, longSides?: number[]): Promise<Labelled> {
    const handedOver = picture instanceof ImageBitmap ? [picture] : [];
    const answer = await this.ask({ kind: "label", picture, longSides }, handedOver);
    return (answer as Extract<Answer, { kind: "labelled" }>).result;
  }

  private ask(request: WithoutId<Request>, transfer: Transferable[] = []): Promise<Answer> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id }, transfer);
    });
  }

  private settle(answer: Answer): void {
    const pending = this.pending.get(answer.id);
    this.pending.delete(answer.id);
    if (answer.kind === "error") pending?.reject(new Error(answer.message));
    else pending?.resolve(answer);
  }
}
