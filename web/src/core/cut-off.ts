/**
 * Files that lost their end, as when a download broke. Chromium refuses them, as Python does; Firefox
 * and WebKitGTK show what there is of them and do not say so.
 */

const SCAN = 0xda;
const END = 0xd9;

/** Whether this is a JPEG or a PNG without its end. What is wrong otherwise is left to the browser. */
export function isCutOff(file: Uint8Array<ArrayBuffer>): boolean {
  const content = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file[0] === 0xff && file[1] === 0xd8) return isCutJpeg(file, content);
  return file[0] === 0x89 && file[1] === 0x50 && isCutPng(content);
}

/** ITU-T T.81, annex B: within a scan, 0xFF 0xD9 is nothing but the end. */
function isCutJpeg(file: Uint8Array, content: DataView): boolean {
  // Past the header, in which a small picture with an end of its own may lie.
  let scan = 2;
  while (file[scan] === 0xff && file[scan + 1] !== SCAN) {
    if (scan + 4 > file.length) return false;
    scan += file[scan + 1] === 0xff ? 1 : 2 + content.getUint16(scan + 2);
  }
  if (file[scan] !== 0xff) return false;
  // From behind, where it mostly is; phones put films and depths after it.
  for (let at = file.length; at > scan; ) {
    at = file.lastIndexOf(0xff, at - 1);
    if (file[at + 1] === END) return false;
  }
  return true;
}

/** PNG, section 5.3: chunks of a length, four letters, so many bytes, and four to check them. */
function isCutPng(content: DataView): boolean {
  for (let at = 8; at + 8 <= content.byteLength; at += 12 + content.getUint32(at)) {
    if (content.getUint32(at + 4) === 0x49454e44) return false; // IEND
  }
  return true;
}
