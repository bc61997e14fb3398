/** What happens first when, for whoever profiles a start: bench/page.mjs prints these marks. */

const made = new Set<string>();

/** Note that this happened; only the first time counts. */
export function markFirst(name: string): void {
  if (made.has(name)) return;
  made.add(name);
  performance.mark(name);
}
