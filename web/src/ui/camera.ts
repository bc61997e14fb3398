/** Opening the camera: which one, one sentence for each way it can be refused, and its torch. */

/** Which camera: by its number, or by the way it looks. */
export interface Which {
  facingMode?: string | undefined;
  deviceId?: string | undefined;
}

/** Open a camera at about 640×480. Throws an Error with a sentence for the user. */
export async function openCamera({ facingMode = "user", deviceId }: Which): Promise<MediaStream> {
  if (navigator.mediaDevices === undefined) {
    throw new Error("The camera needs a secure address: https://, or http://localhost.");
  }
  const which = deviceId === undefined ? { facingMode } : { deviceId: { exact: deviceId } };
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { ...which, width: { ideal: 640 }, height: { ideal: 480 } },
    });
  } catch (error) {
    // That one is gone; there may be another.
    if (deviceId !== undefined && nameOf(error) === "OverconstrainedError") return openCamera({ facingMode });
    throw new Error(reason(error));
  }
}

function nameOf(error: unknown): string {
  return error instanceof DOMException ? error.name : "";
}

function reason(error: unknown): string {
  switch (nameOf(error)) {
    case "NotAllowedError":
      return "The camera was not allowed. Allow it in the address bar or the app's settings.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No camera was found.";
    case "NotReadableError":
    case "AbortError":
      return "The camera is in use by another program.";
    default:
      return `The camera cannot be opened: ${String(error)}`;
  }
}

/** Which camera was opened. Computers' cameras often do not say which way they look. */
export function whichOf(track: MediaStreamTrack): Which {
  const { facingMode, deviceId } = track.getSettings();
  return { facingMode, deviceId };
}

/** Whether it looks away from the person, like the cameras at a phone's back. */
export function looksAway({ facingMode }: Which): boolean {
  return facingMode === "environment";
}

/** All cameras; known once one was allowed. Firefox does not say which way they look. */
export async function cameras(): Promise<Which[]> {
  const devices = (await navigator.mediaDevices.enumerateDevices()) as InputDeviceInfo[];
  return devices
    .filter(({ kind }) => kind === "videoinput")
    .map((device) => ({
      deviceId: device.deviceId,
      facingMode: device.getCapabilities?.().facingMode?.[0],
    }));
}

/** The cameras to choose from: those at a phone's back, one per lens, are one. */
export function choices(all: readonly Which[]): Which[] {
  return all.filter((camera, i) => !looksAway(camera) || all.findIndex(looksAway) === i);
}

/** The camera that comes after one, of those to choose from; the first after the last. */
export function nextCamera(now: Which, all: readonly Which[]): Which {
  const at = all.findIndex(
    (camera) => camera.deviceId === now.deviceId || (looksAway(camera) && looksAway(now)),
  );
  const next = all[(at + 1) % all.length];
  if (next === undefined) return now;
  // Which of the lenses is meant the browser knows best.
  return looksAway(next) ? { facingMode: "environment" } : { deviceId: next.deviceId };
}

/** Whether a camera has a torch to switch. */
export function hasTorch(track: MediaStreamTrack): boolean {
  const abilities = track.getCapabilities?.() as { torch?: boolean } | undefined;
  return abilities?.torch === true;
}

/** Switch a camera's torch. */
export async function switchTorch(track: MediaStreamTrack, on: boolean): Promise<void> {
  await track.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] });
}
