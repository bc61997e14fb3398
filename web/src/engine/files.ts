/**
 * Fetching what the engine needs: the runtime, the card and the models, each checked.
 */

import { BundleError, readCard, type Card } from "../core/card";

/** The first bytes of a gzip file. */
const GZIP = [0x1f, 0x8b];

/** Fetch the card of the bundle in the folder `model`, a URL that ends with a slash. */
export async function fetchCard(model: string): Promise<Card> {
  const content = await fetchBytes(new URL("card.json", model).href);
  return readCard(JSON.parse(new TextDecoder().decode(content)));
}

/** Fetch one file of the bundle and compare it with its sha256 in the card. */
export async function fetchModel(model: string, name: string, card: Card): Promise<ArrayBuffer> {
  const content = await fetchBytes(new URL(name, model).href);
  const expected = card.files[name]?.sha256;
  // Browsers offer hashing to secure pages only; elsewhere the transport vouches for the file.
  if (expected !== undefined && globalThis.crypto?.subtle !== undefined) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const actual = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (actual !== expected) {
      throw new BundleError(`The model file ${name} is not the one its card describes. Reload.`);
    }
  }
  return content;
}

/**
 * Fetch and compile a wasm that was compressed when the page was built, so that it is small on
 * every host; hosts that unpack it on the way are fine too. It is unpacked and compiled while it
 * arrives.
 */
export async function compilePacked(url: string): Promise<WebAssembly.Module> {
  const [start, whole] = (await fetchFile(url)).body!.tee();
  const reader = start.getReader();
  const { value = [] } = await reader.read();
  void reader.cancel();
  const packed = value[0] === GZIP[0] && value[1] === GZIP[1];
  const content = packed ? whole.pipeThrough(new DecompressionStream("gzip")) : whole;
  const headers = { "Content-Type": "application/wasm" };
  return WebAssembly.compileStreaming(new Response(content, { headers }));
}

async function fetchBytes(url: string): Promise<ArrayBuffer> {
  return (await fetchFile(url)).arrayBuffer();
}

/** Fetch a file of the page; what cannot be had is one sentence. */
export async function fetchFile(url: string): Promise<Response> {
  const response = await fetch(url).catch(() => undefined);
  if (response === undefined || !response.ok) {
    const reason = response === undefined ? "no connection" : `status ${response.status}`;
    const name = new URL(url).pathname.split("/").pop();
    throw new BundleError(`${name} could not be loaded (${reason}). Reload the page.`);
  }
  return response;
}
