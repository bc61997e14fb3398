/** Opening the camera: which one, and one sentence for each way it can be refused. */

/** Which camera: by the way it looks, or where it does not say that, as on computers, by its number. */
export interface Which {
  facingMode?: "user" | "environment";
  deviceId?: string;
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
    if (deviceId !== undefined && nameOf(error) === "OverconstrainedError") return openCamera({});
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

/** Which camera was opened. */
export function whichOf(track: MediaStreamTrack): Which {
  const { facingMode, deviceId } = track.getSettings();
  return facingMode === "user" || facingMode === "environment" ? { facingMode } : { deviceId: deviceId ?? "" };
}

/** The numbers of all cameras; known once one was allowed. */
export async function cameras(): Promise<string[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput").map(({ deviceId }) => deviceId);
}

/** The camera that comes after one: a phone's other side, a computer's next one. */
export function nextCamera({ facingMode, deviceId = "" }: Which, all: readonly string[]): Which {
  if (facingMode !== undefined) return { facingMode: facingMode === "user" ? "environment" : "user" };
  return { deviceId: all[(all.indexOf(deviceId) + 1) % all.length] ?? "" };
}
