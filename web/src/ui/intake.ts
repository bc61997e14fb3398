/** How files come in: dropped anywhere on the page, pasted, or picked; and the examples. */

import bare from "../../../examples/pictures/astronaut.jpg";
import badlyWorn from "../../../examples/pictures/astronaut-badly-worn.jpg";
import masked from "../../../examples/pictures/astronaut-masked.jpg";
import { fetchFile } from "../engine/files";

const EXAMPLES = {
  "astronaut-masked.jpg": masked,
  "astronaut-badly-worn.jpg": badlyWorn,
  "astronaut.jpg": bare,
};

/**
 * Call `take` with every file that arrives, or `refuse` with an Error; `veil` is shown while
 * something is dragged.
 */
export function takeFiles(
  veil: HTMLElement,
  picker: HTMLInputElement,
  take: (files: File[]) => void,
  refuse: (error: unknown) => void,
): void {
  picker.addEventListener("change", () => {
    take([...(picker.files ?? [])]);
    picker.value = ""; // the same file may be picked again
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) {
      event.preventDefault();
      take(files);
    }
  });
  let depth = 0; // enter and leave come for every element on the way
  const carriesFiles = (event: DragEvent): boolean =>
    event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragenter", (event) => {
    if (carriesFiles(event)) depth += 1;
    veil.hidden = depth === 0;
  });
  document.addEventListener("dragleave", (event) => {
    if (carriesFiles(event)) depth = Math.max(0, depth - 1);
    veil.hidden = depth === 0;
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    void filesOf(event.dataTransfer).then(take, refuse);
  });
}

/** The pictures that come with the page. */
export function exampleFiles(): Promise<File[]> {
  const files = Object.entries(EXAMPLES).map(async ([name, url]) => {
    const response = await fetchFile(new URL(url, document.baseURI).href);
    return new File([await response.blob()], name, { type: "image/jpeg" });
  });
  return Promise.all(files);
}

const collator = new Intl.Collator(undefined, { numeric: true });

/** All dropped files, those inside dropped folders too. */
async function filesOf(transfer: DataTransfer | null): Promise<File[]> {
  if (transfer === null) return [];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.every((entry) => entry === null || entry.isFile)) return [...transfer.files];
  const below = await Promise.all(entries.map((entry) => (entry === null ? [] : filesBelow(entry))));
  const files = below.flat();
  const isKnown = ({ type }: File): boolean => /^(image|video)\//.test(type);
  if (files.some(isKnown)) {
    // A phone's photographs would be missing from the counts without a word: they are shown as unreadable.
    const taken = files.filter((file) => isKnown(file) || /\.hei[cf]$/i.test(file.name));
    return taken.sort((a, b) => collator.compare(a.name, b.name)); // folders are read in no order
  }
  throw new Error(
    files.length === 0
      ? "The folder is empty."
      : `No picture or video that this browser knows is among the folder's ${files.length} files. Try JPEG, PNG, WebP, MP4 or WebM.`,
  );
}

async function filesBelow(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    // With its folders, which tell files of the same name apart.
    return [new File([file], entry.fullPath.slice(1), { type: file.type })];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const children: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) break; // folders are read a hundred entries at a time
    children.push(...some);
  }
  return (await Promise.all(children.map(filesBelow))).flat();
}
