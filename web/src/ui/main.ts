/**
 * The page: files and the camera come in, the engine labels them, stage and panel show it.
 */

import runtime from "virtual:runtime";
import { sentence } from "../core/errors";
import type { Face } from "../core/labelling";
import { TrackCount, type Entry } from "../core/records";
import { Engine } from "../engine/client";
import { Cinema } from "./cinema";
import { Closer } from "./closer";
import { byId, disable, say } from "./dom";
import { entriesOf, fileName, Gallery, hasEntries, isBusy, type Item } from "./gallery";
import { inApp } from "./host";
import { keepOffline, offerInstallation } from "./install";
import { exampleFiles, takeFiles } from "./intake";
import { Keeper, type Sheet } from "./keeper";
import type { Frame } from "./live";
import { Panel } from "./panel";
import { describe, Stage } from "./stage";
import { Teller } from "./teller";
import { Trail, type Place } from "./trail";
import { Viewer } from "./viewer";

type View = "start" | "picture" | "clip" | "camera";

const engine = new Engine(runtime, "model/");
const stage = new Stage();
const gallery = new Gallery(engine, select, done, badge);
const cinema = new Cinema(engine, stage, {
  onBegin: begin,
  onFrame: keepFrame,
  onStill: tell,
  onError: fail,
  threshold: () => panel?.threshold ?? 1,
});
const viewer = new Viewer(stage, refresh);
const closer = new Closer(lookCloser);
const trail = new Trail(come);
const people = new TrackCount();
const keeper = new Keeper({
  sheet,
  entries,
  card: () => panel!.card,
  onBegin: dismiss,
  onDone: (words) => (byId("status").textContent = words), // read out each time
  onError: fail,
});
let teller = new Teller(byId("status"));
/** Once the model is there, and its card with it. */
let panel: Panel | undefined;
let view: View = "start";
/** The item that is open; what is open stays as it is when it is chosen again. */
let opened: Item | undefined;
/** How far the engine is. */
let state = "Loading the models …";
/** What went wrong, until something else is shown. */
let trouble: string | undefined;

const add = (files: File[]): void => gallery.add(files);
takeFiles(byId("dropping"), byId<HTMLInputElement>("files"), add, fail);
for (const id of ["choose", "add"]) {
  byId(id).addEventListener("click", () => byId<HTMLInputElement>("files").click());
}
byId("examples").addEventListener("click", () => void exampleFiles().then(add, fail));
byId("open-camera").addEventListener("click", camera);
byId("mode-camera").addEventListener("click", camera);
byId("mode-pictures").addEventListener("click", pictures);
byId("stop").addEventListener("click", pictures);
byId("clear").addEventListener("click", clear);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // another address would mean another view
  byId("stage").focus();
});
byId("notice").addEventListener("click", dismiss);
document.addEventListener("keydown", ({ key }) => key === "Escape" && dismiss());
document.addEventListener("visibilitychange", () => {
  if (view !== "camera") return;
  if (document.hidden) cinema.hide();
  else if (!cinema.open) camera();
});

engine.card.then(
  (card) => {
    stage.labels = card.labels;
    panel = new Panel(card, refresh, (face) => stage.mark(face));
    byId("model-name").textContent = `model ${card.name} ${card.version}`;
    state = "Ready.";
    document.body.dataset.engine = "ready";
    refresh();
    // Only now, and not in the way of the first picture: what the page itself has fetched by then
    // need not be fetched again.
    setTimeout(async () => {
      if (!inApp() && !(await keepOffline())) return;
      state = "Ready. This page now works without a network.";
      refresh();
    }, 2000);
  },
  (error: unknown) => {
    state = sentence(error);
    document.body.dataset.engine = "failed";
    refresh();
  },
);
if (!inApp()) offerInstallation(byId<HTMLButtonElement>("install"));
come(trail.shown);

/** A place is shown again, or the page begins there. */
function come(place: Place): void {
  if (place === "camera") camera();
  else if (place === "pictures") pictures();
  else start();
}

function show(next: View): void {
  view = next;
  document.body.dataset.view = next;
  byId("start").hidden = next !== "start";
  byId("view").hidden = next === "start";
  byId("camera-controls").hidden = next !== "camera";
  byId("clip-controls").hidden = next !== "clip";
  byId("mode-camera").setAttribute("aria-pressed", String(next === "camera"));
  byId("mode-pictures").setAttribute("aria-pressed", String(next !== "camera"));
  byId("faces-title").textContent = next === "picture" ? "In this picture" : "In view";
  trouble = undefined;
  trail.follow(next === "picture" || next === "clip" ? "pictures" : next);
  // Not to the top of the page, where the focus of a button that is gone would go.
  if (document.activeElement?.closest("[hidden]")) byId("stage").focus({ preventScroll: true });
}

function camera(): void {
  if (view === "camera" && cinema.open) return dismiss();
  if (view !== "camera") leave();
  show("camera");
  refresh();
  void cinema.openCamera().then(refresh);
}

/** The picture that was open last; the start, where there is none. */
function pictures(): void {
  if (gallery.selected !== undefined) gallery.select(gallery.selected);
  else start();
}

function start(): void {
  leave();
  show("start");
  refresh();
}

/** What is open makes way for something else. */
function leave(): void {
  opened = undefined;
  cinema.close();
  viewer.close();
}

function clear(): void {
  gallery.clear();
  pictures();
  byId("stage").focus(); // its button has nothing to clear any more
}

/** The gallery wants an item shown. */
function select(item: Item): void {
  if (item === opened && something()) return dismiss();
  leave();
  opened = item;
  show(item.kind === "clip" ? "clip" : "picture");
  // A clip that was watched before waits: to play it again is to begin anew.
  if (item.kind === "clip") void cinema.openClip(item.file, item.frames.length === 0);
  else viewer.open(item);
  refresh();
}

/** A picture was labelled, or could not be. */
function done(item: Item): void {
  refresh();
  document.body.dataset.done = String(gallery.items.filter(({ state }) => state !== "waiting").length);
  const faces = item.result?.faces.filter(shows) ?? [];
  const said = item.error ?? item.complaint ?? describe(faces, stage.labels);
  byId("status").textContent = `${item.name}: ${said}`;
}

/** The person wants small faces too. */
function lookCloser(item: Item, longSides: number[]): void {
  byId("status").textContent = `${item.name}: looking closer …`;
  void gallery.lookCloser(item, longSides);
  refresh();
}

function badge(item: Item): string {
  if (isBusy(item)) return "…";
  if (item.state === "failed") return "unreadable";
  if (item.kind === "clip") return "video";
  const count = item.result?.faces.filter(shows).length ?? 0;
  return `${count} ${count === 1 ? "face" : "faces"}`;
}

/** Camera or clip run, whatever went wrong before, and are followed from here on. */
function begin(): void {
  trouble = undefined;
  teller = new Teller(byId("status"));
  if (opened !== undefined) opened.frames = [];
}

function keepFrame({ width, height, faces, at }: Frame, followed: boolean): void {
  if (opened !== undefined && followed) {
    opened.frames.push({ file: opened.name, width, height, time: Number(at.toFixed(3)), faces });
  }
  refresh();
  tell();
}

function tell(): void {
  if (cinema.still) teller.still(describe(shown(), stage.labels));
  else teller.moving(byId("share").textContent!);
}

/** Bring everything on the page in line with results and threshold. */
function refresh(): void {
  const item = gallery.selected;
  const moving = view === "camera" || view === "clip";
  const here = view === "picture" && viewer.shown === item;
  const busy = item !== undefined && isBusy(item);
  byId("busy").hidden = view !== "picture" || item === undefined || (here && !busy);
  const waiting = panel === undefined ? state : undefined;
  say(byId("busy"), busy ? (waiting ?? "Looking …") : "Opening …");
  stage.showNotice(trouble ?? (view === "picture" ? item?.error : moving ? waiting : undefined));
  say(byId("engine"), trouble ?? state);
  disable("clear", gallery.items.length === 0);
  if (panel === undefined) return;
  const { card } = panel;
  const faces = shown();
  stage.showFaces(here || moving ? faces : []);
  panel.showFaces(faces);
  if (view === "camera") panel.showCounts(cinema.counts(card.labels.length), "seen");
  else if (opened?.kind === "clip") panel.showCounts(people.of(opened.frames, panel.shows, card), "seen");
  else panel.showCounts(panel.count(allFaces()), "faces");
  if (!moving) gallery.refresh();
  closer.show(view === "picture" ? item : undefined);
  const ready = view === "picture" ? item?.result !== undefined : moving && cinema.open;
  keeper.allow(ready, view === "camera" ? cinema.last !== undefined : gallery.items.some(hasEntries));
}

/** Whether a face is sure enough to be shown; none is before there is a model. */
function shows(face: Face): boolean {
  return panel?.shows(face) ?? false;
}

/** The faces upon what is shown. */
function shown(): Face[] {
  const faces =
    view === "picture" ? gallery.selected?.result?.faces : view === "start" ? [] : cinema.last?.faces;
  return faces?.filter(shows) ?? [];
}

function allFaces(): Face[] {
  return gallery.items.flatMap(({ result }) => result?.faces ?? []);
}

function entries(): Entry[] {
  if (view !== "camera") return gallery.items.flatMap((item) => entriesOf(item, shows));
  const frame = cinema.last;
  if (frame === undefined) return [];
  const { width, height, at } = frame;
  return [{ file: "camera", width, height, time: Number(at.toFixed(3)), faces: shown() }];
}

/** What is shown, at its full size, with the faces upon it. */
async function sheet(): Promise<Sheet> {
  const item = view === "camera" ? undefined : gallery.selected;
  const { bitmap, faces } =
    view === "picture"
      ? { faces: item!.result!.faces, bitmap: await createImageBitmap(item!.file) }
      : await cinema.snapshot();
  return {
    bitmap,
    faces: faces.filter(shows),
    stem: item === undefined ? `camera-${stamp()}` : fileName(item).replace(/\.[^.]*$/, ""),
    type: item?.file.type === "image/png" ? "image/png" : "image/jpeg",
  };
}

function fail(error: unknown): void {
  trouble = sentence(error);
  refresh();
}

/** What went wrong has been read, and something lies behind it. */
function dismiss(): void {
  if (!something()) return;
  trouble = undefined;
  refresh();
}

function something(): boolean {
  return view === "picture" || cinema.open;
}

function stamp(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
}
