/**
 * The browser's Back and Forward. Start, pictures and camera lie upon each other, in this order: Back
 * leads to what lies below, Forward up again. The history follows what is shown and has at most one
 * entry of each, so Back is never in vain, however often a person went to and fro.
 */

export type Place = "start" | "pictures" | "camera";

const ORDER: readonly Place[] = ["start", "pictures", "camera"];

export class Trail {
  /** What is shown, or is to be shown first. */
  shown: Place;
  /** An entry was asked for and has not come yet; until then the history must stay as it is. */
  private going = false;

  /** `come` is called when the person went to another entry, or changed the address. */
  constructor(come: (place: Place) => void) {
    this.shown = entry().at(-1)!;
    history.scrollRestoration = "manual"; // Stop and Clear go back, too, and have never scrolled
    window.addEventListener("popstate", () => {
      if (!this.going) return come(entry().at(-1)!);
      this.going = false;
      this.follow(this.shown); // it may be something else by now
    });
  }

  /** Bring the history in line with what is shown. */
  follow(place: Place): void {
    this.shown = place;
    if (this.going) return;
    // What was opened at the camera's address has nothing below it; pictures lie upon the start.
    if (place === "pictures" && !entry().includes("start")) write("replaceState", ["start"]);
    const now = entry();
    const at = now.indexOf(place);
    if (at === now.length - 1) return;
    if (at >= 0) {
      this.going = true;
      history.go(at - (now.length - 1));
      return;
    }
    const below = now.filter((other) => ORDER.indexOf(other) < ORDER.indexOf(place));
    write(below.length === now.length ? "pushState" : "replaceState", [...below, place]);
  }
}

/** The places from the lowest to that of the current entry. */
function entry(): readonly Place[] {
  if (Array.isArray(history.state)) return history.state as Place[];
  return [location.hash === "#camera" ? "camera" : "start"];
}

function write(how: "pushState" | "replaceState", places: readonly Place[]): void {
  const plain = location.pathname + location.search;
  history[how](places, "", places.at(-1) === "camera" ? "#camera" : plain);
}
