/**
 * Builds the page into the Python package: hashed files, relative URLs, the bundle below `model/`,
 * and a service worker that knows every file.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const root = import.meta.dirname;
const project = resolve(root, "..");
const bundleFolder = resolve(
  process.env.MASKLENS_BUNDLE ?? join(project, "src/masklens/models/default"),
);
const publicFolder = join(root, "public");

/** The bundle's card and those of its files that the page runs, and the licences. */
function bundle(): Plugin {
  return {
    name: "masklens-bundle",
    apply: "build",
    generateBundle() {
      const cardFile = join(bundleFolder, "card.json");
      if (!existsSync(cardFile)) this.error(`There is no bundle in ${bundleFolder}.`);
      const card = JSON.parse(readFileSync(cardFile, "utf8")) as {
        finder?: { file: string } | null;
        files: Record<string, unknown>;
      };
      if (card.finder === undefined || card.finder === null) {
        this.error(
          `The bundle in ${bundleFolder} has no face finder. Set MASKLENS_BUNDLE to one that has.`,
        );
      }
      const models = Object.keys(card.files).filter((name) => name.endsWith(".onnx"));
      for (const name of ["card.json", ...models]) {
        const source = readFileSync(join(bundleFolder, name));
        this.emitFile({ type: "asset", fileName: `model/${name}`, source });
      }
      // The licences ask to come along wherever the page goes: into the wheel and the app, too.
      const licences = ["NOTICE", "LICENSE"].map((name) => readFileSync(join(project, name), "utf8"));
      this.emitFile({ type: "asset", fileName: "licences.txt", source: licences.join("\n\n") });
    },
  };
}

/** `import url from "virtual:runtime"`: the runtime's wasm, packed; a third of the size anywhere. */
function runtime(): Plugin {
  const id = "virtual:runtime";
  return {
    name: "masklens-runtime",
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    load(source) {
      if (source !== `\0${id}`) return undefined;
      const file = createRequire(import.meta.url).resolve(
        "onnxruntime-web/ort-wasm-simd-threaded.wasm",
      );
      // Not ".gz": Android's packer unpacks such files, and some servers announce them as encoded.
      const reference = this.emitFile({
        type: "asset",
        name: "ort-runtime.bin",
        source: gzipSync(readFileSync(file), { level: 9 }),
      });
      return `export default import.meta.ROLLUP_FILE_URL_${reference};`;
    },
    // The largest file is asked for with the page's first bytes, not when its scripts run.
    transformIndexHtml(_, { bundle = {} }) {
      return Object.keys(bundle)
        .filter((name) => name.includes("ort-runtime"))
        .map((href) => ({
          tag: "link",
          attrs: { rel: "preload", as: "fetch", href, crossorigin: "anonymous" },
          injectTo: "head" as const,
        }));
    },
  };
}

/**
 * The service worker, with the list of all files but the model's and a version that changes with
 * any of them.
 */
function offline(): Plugin {
  return {
    name: "masklens-offline",
    apply: "build",
    enforce: "post",
    generateBundle(_, output) {
      const version = createHash("sha256");
      const contents = new Map<string, string | Uint8Array>(
        Object.values(output).map((file) => [
          file.fileName,
          file.type === "asset" ? file.source : file.code,
        ]),
      );
      for (const name of readdirSync(publicFolder)) {
        contents.set(name, readFileSync(join(publicFolder, name)));
      }
      const files = [...contents.keys()].sort();
      for (const name of files) version.update(name).update(contents.get(name)!);
      const source = readFileSync(join(root, "src/offline/service-worker.js"), "utf8")
        .replace('"__VERSION__"', JSON.stringify(version.digest("hex").slice(0, 12)))
        .replace('["__FILES__"]', JSON.stringify(["./", ...files.filter((name) => name !== "index.html" && !name.startsWith("model/"))]));
      this.emitFile({ type: "asset", fileName: "service-worker.js", source });
    },
  };
}

const conditions = ["onnxruntime-web-use-extern-wasm", "module", "browser", "production"];

export default defineConfig({
  root,
  base: "./",
  plugins: [bundle(), runtime(), offline()],
  resolve: { conditions },
  worker: { format: "es" },
  build: {
    outDir: join(project, "src/masklens/server/page"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 800,
  },
});
