// Keeps the page working without a network: every file of the build is kept when the page is first
// opened, and answered from there. The build puts in the list and its version. Anything else (the
// server's API) goes its usual way.
const VERSION = "masklens-" + "__VERSION__";
const FILES = ["__FILES__"];

const known = new Set(FILES.map((file) => new URL(file, self.registration.scope).href));
const home = new URL("./", self.registration.scope).href;

self.addEventListener("install", (event) => {
  event.waitUntil(keepAll().then(() => self.skipWaiting()));
});

async function keepAll() {
  const cache = await caches.open(VERSION);
  // Files whose name holds a hash of their content may come from the browser's own cache.
  await cache.addAll(
    FILES.map((file) => new Request(file, { cache: file.startsWith("assets/") ? "default" : "no-cache" })),
  );
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
  if (known.has(url.href)) event.respondWith(fromCache(url.href, request));
});

async function fromCache(url, request) {
  const cache = await caches.open(VERSION);
  return (await cache.match(url)) ?? fetch(request);
}
