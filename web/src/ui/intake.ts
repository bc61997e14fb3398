/** How files come in: dropped anywhere on the page, pasted, or picked. */

/** Call `take` with every file that arrives; `veil` is shown while something is dragged. */
export function takeFiles(
  veil: HTMLElement,
  picker: HTMLInputElement,
  take: (files: File[]) => void,
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
    void filesOf(event.dataTransfer).then(take);
  });
}

/** All dropped files, those inside dropped folders too. */
async function filesOf(transfer: DataTransfer | null): Promise<File[]> {
  if (transfer === null) return [];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.every((entry) => entry === null || entry.isFile)) return [...transfer.files];
  const files = await Promise.all(entries.map((entry) => (entry === null ? [] : filesBelow(entry))));
  return files.flat().filter(({ type }) => /^(image|video)\//.test(type));
}

async function filesBelow(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
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
