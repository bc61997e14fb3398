/**
 * Moving pictures in words, for those who do not see them: what stands still is described; while it
 * moves the count is told, when it has changed, and not all the time.
 */

/** Milliseconds until what stands still has been looked at, and between two counts. */
const SETTLED = 400;
const BETWEEN = 5000;

export class Teller {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private told = "";
  private next = 0;

  /** What is written into `status` is read out. */
  constructor(private readonly status: { textContent: string | null }) {}

  still(words: string): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.status.textContent = words), SETTLED);
  }

  moving(words: string): void {
    clearTimeout(this.timer);
    const now = performance.now();
    if (words === this.told || now < this.next) return;
    this.told = words;
    this.next = now + BETWEEN;
    this.status.textContent = words;
  }
}
