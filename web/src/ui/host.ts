/**
 * What the page asks of its surroundings: keep a file, share it, keep the screen on. The Android app
 * answers through `window.masklensHost`; a browser through its own functions.
 */

export interface Host {
  /** Keep a file where the person finds it again; the content is base64. */
  save?(name: string, mime: string, base64: string): void;
  /** Offer a file to other apps. */
  share?(name: string, mime: string, base64: string): void;
  keepScreenOn?(on: boolean): void;
}

declare global {
  interface Window {
    masklensHost?: Host;
  }
}

// The app's object is Java: its methods must be called on it, and `typeof` says what is there.
const host = (): Host | undefined => window.masklensHost;

/** Whether the page runs inside the app. */
export function inApp(): boolean {
  return host() !== undefined;
}

/** Keep a file: the app's way, or a download. */
export async function saveFile(name: string, content: Blob): Promise<void> {
  if (await toApp("save", name, content)) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Whether files can be shared here. */
export function canShare(): boolean {
  if (host()?.share !== undefined) return true;
  const probe = new File(["x"], "x.jpg", { type: "image/jpeg" });
  return navigator.canShare?.({ files: [probe] }) ?? false;
}

/** Offer a file to other apps; a person who changes their mind is no error. */
export async function shareFile(name: string, content: Blob): Promise<void> {
  if (await toApp("share", name, content)) return;
  const files = [new File([content], name, { type: content.type })];
  await navigator.share({ files }).catch((error: unknown) => {
    if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
  });
}

/** Hand a file to the app, if there is one. Why it refuses it, it tells the person itself. */
async function toApp(way: "save" | "share", name: string, content: Blob): Promise<boolean> {
  const app = host();
  if (app?.[way] === undefined) return false;
  const encoded = await base64(content);
  try {
    app[way](name, content.type, encoded);
  } catch {
    throw new Error("The app could not take the file."); // its exception speaks of Java
  }
  return true;
}

/** The browser's lock, which it may take its time to give. */
let lock: Promise<WakeLockSentinel | undefined> | undefined;

/** Keep the screen on while the camera runs. */
export async function keepScreenOn(on: boolean): Promise<void> {
  const app = host();
  if (app?.keepScreenOn !== undefined) {
    app.keepScreenOn(on);
    return;
  }
  const before = lock;
  // Refused when the battery is low, and unknown to some browsers: the camera works without.
  lock = on ? navigator.wakeLock?.request("screen").catch(() => undefined) : undefined;
  await (await before)?.release();
}

async function base64(content: Blob): Promise<string> {
  const bytes = new Uint8Array(await content.arrayBuffer());
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += 0x8000) {
    parts.push(String.fromCharCode(...bytes.subarray(i, i + 0x8000)));
  }
  return btoa(parts.join(""));
}
