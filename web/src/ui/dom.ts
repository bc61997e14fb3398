/** Small helpers for the page's elements. */

/** The element with an id; a missing one is a mistake in index.html. */
export function byId<T extends Element = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no element #${id}.`);
  return element as unknown as T;
}

/** Write a text, unless it stands there: what is written anew is read out anew. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Switch a button off, or on. */
export function disable(id: string, off: boolean): void {
  byId<HTMLButtonElement>(id).disabled = off;
}

/** Make an element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** One of the signs that index.html defines. */
export function sign(name: string): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

const strokes = new Map<string, Path2D | undefined>();

/**
 * The strokes of such a sign, in a square of 24; undefined if there is none of that name. Each is
 * made once: every face of every frame is drawn with one.
 */
export function strokesOf(name: string): Path2D | undefined {
  if (!strokes.has(name)) {
    const path = document.getElementById(`i-${name}`)?.querySelector("path")?.getAttribute("d");
    strokes.set(name, path ? new Path2D(path) : undefined);
  }
  return strokes.get(name);
}
