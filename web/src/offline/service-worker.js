// Keeps the page working without a network. The files of the build are kept when the page is first
// opened, and answered from there; the build puts in their list and its version. The model is asked
// for every time, because the server may have been given another one, and kept for when there is no
// answer. Anything else (the server's API) goes its usual way.
const VERSION = "masklens-" + "__VERSION__";
const FILES = ["__FILES__"];

/** Milliseconds after which a server that says nothing counts as none. */
const PATIENCE = 3000;

const absolute = (file) => new URL(file, self.registration.scope).href;
const known = new Set(FILES.map(absolute));
const home = absolute("./");
const model = absolute("model/");

self.addEventListener("install", (event) => {
  event.waitUntil(keepAll().then(() => self.skipWaiting()));
});

async function keepAll() {
  const cache = await caches.open(VERSION);
  // Files whose name holds a hash of their content may come from the browser's own cache.
  await cache.addAll(
    FILES.map((file) => new Request(file, { cache: file.startsWith("assets/") ? "default" : "no-cache" })),
  );
  const card = absolute("model/card.json");
  await cache.add(new Request(card, { cache: "no-cache" }));
  const { files } = await (await cache.match(card)).json();
  const models = Object.keys(files).filter((name) => name.endsWith(".onnx"));
  await cache.addAll(models.map((name) => new Request(model + name, { cache: "no-cache" })));
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
  if (url.href.startsWith(model)) event.respondWith(newest(url.href, event));
  else if (known.has(url.href)) event.respondWith(fromCache(url.href, request));
});

async function fromCache(url, request) {
  const cache = await caches.open(VERSION);
  return (await cache.match(url)) ?? fetch(request);
}

/** What the server has, which is kept if it is new; what was kept, if the server does not answer. */
async function newest(url, event) {
  const cache = await caches.open(VERSION);
  const kept = await cache.match(url);
  const asked = fetch(url, { cache: "no-cache" }).then((answer) => {
    if (!answer.ok && kept !== undefined) return kept;
    const tag = answer.headers.get("etag");
    const same = tag !== null && tag === kept?.headers.get("etag");
    if (answer.ok && !same) event.waitUntil(cache.put(url, answer.clone()));
    return answer;
  });
  if (kept === undefined) return asked;
  const enough = new Promise((resolve) => setTimeout(resolve, PATIENCE, kept));
  return Promise.race([asked, enough]).catch(() => kept);
}
