/** Opening the camera: which one, and one sentence for each way it can be refused. */

export type Facing = "user" | "environment";

/** Open the front or back camera at about 640×480. Throws an Error with a sentence for the user. */
export async function openCamera(facing: Facing): Promise<MediaStream> {
  if (navigator.mediaDevices === undefined) {
    throw new Error("The camera needs a secure address: https://, or http://localhost.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { facingMode: facing, width: { ideal: 640 }, height: { ideal: 480 } },
    });
  } catch (error) {
    throw new Error(reason(error));
  }
}

function reason(error: unknown): string {
  switch (error instanceof DOMException ? error.name : "") {
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

/** Which way the camera looks; a laptop's, which does not say, is taken for a front one. */
export function facingOf(track: MediaStreamTrack, asked: Facing): Facing {
  const { facingMode } = track.getSettings();
  return facingMode === "environment" || facingMode === "user" ? facingMode : asked;
}
