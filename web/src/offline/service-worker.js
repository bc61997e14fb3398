// Keeps the page working without a network. The files of the build are kept when the page is first
// opened, and answered from there; the build puts in their list and its version. The model's card is
// asked for every time, because the server may have been given another model, which then takes the
// place of the one that was kept: with all its files, or not at all. Anything else (the server's API)
// goes its usual way.
const VERSION = "masklens-" + "__VERSION__";
const FILES = ["__FILES__"];

/** Milliseconds after which a server that says nothing counts as none. */
const PATIENCE = 3000;

const absolute = (file) => new URL(file, self.registration.scope).href;
const known = new Set(FILES.map(absolute));
const home = absolute("./");
const model = absolute("model/");
const card = absolute("model/card.json");

self.addEventListener("install", (event) => {
  event.waitUntil(keepAll().then(() => self.skipWaiting()));
});

async function keepAll() {
  const cache = await caches.open(VERSION);
  // Files whose name holds a hash of their content may come from the browser's own cache.
  await cache.addAll(
    FILES.map((file) => new Request(file, { cache: file.startsWith("assets/") ? "default" : "no-cache" })),
  );
  await keepModel(cache, await fetch(card, { cache: "no-cache" }));
}

/** Keep a card and its models once all of them are there: they fit no others. */
async function keepModel(cache, answer) {
  const { files } = await answer.clone().json();
  const urls = Object.keys(files).filter((name) => name.endsWith(".onnx")).map((name) => model + name);
  const models = await Promise.all(urls.map(whole));
  await Promise.all(urls.map((url, i) => cache.put(url, models[i])));
  await cache.put(card, answer);
}

/** A file, once its last byte is there. */
async function whole(url) {
  const answer = await fetch(url, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${url} has status ${answer.status}.`);
  return new Response(await answer.blob());
}

self.addEventListener("activate", (event) => {
  event.waitUntil(dropOld().then(() => self.clients.claim()));
});

async function dropOld() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("masklens-") && name !== VERSION);
  await Promise.all(old.map((name) => caches.delete(name)));
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = new URL(request.url);
  url.search = "";
  url.hash = "";
  if (url.href === home + "index.html") url.href = home;
  if (url.href === card) event.respondWith(newestCard(event));
  else if (url.href.startsWith(model) || known.has(url.href)) event.respondWith(fromCache(url.href, request));
});

async function fromCache(url, request) {
  const cache = await caches.open(VERSION);
  return (await cache.match(url)) ?? fetch(request);
}

/** The server's card, once its model is kept; the card that was kept, if the server does not answer. */
async function newestCard(event) {
  const cache = await caches.open(VERSION);
  const kept = await cache.match(card);
  if (kept === undefined) return fetch(event.request);
  const asked = fetch(card, { cache: "no-cache" }).then(async (answer) => {
    if (!answer.ok) return kept;
    if ((await answer.clone().text()) !== (await kept.clone().text())) await keepModel(cache, answer.clone());
    return answer;
  });
  event.waitUntil(asked.catch(() => undefined)); // what comes late is for the next time
  const enough = new Promise((resolve) => setTimeout(resolve, PATIENCE, kept));
  return Promise.race([asked, enough]).catch(() => kept);
}
