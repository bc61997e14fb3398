/**
 * onnxruntime-web against LiteRT.js, one wasm thread each, in headless Chromium: why the page runs
 * the one it runs. Prints milliseconds to start each runtime, to open each model, to run it for the
 * first time, when its functions are still compiled in a hurry, and to run it later (median of 25).
 *
 *   npm --prefix web install --no-save @litertjs/core@2.5.3
 *   npm --prefix web run bench:runtimes [-- FOLDER]
 *
 * FOLDER is a bundle with any number of .tflite files; the one that ships by
 * default. Every row is the median of three browsers that know nothing yet.
 */

import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve } from "node:path";
import { chromium } from "@playwright/test";

const project = resolve(import.meta.dirname, "../..");
const folder = resolve(process.argv[2] ?? join(project, "src/masklens/models/default"));
const ROUNDS = 3;
const modules = resolve(import.meta.dirname, "../node_modules");
const PAGE = `<!doctype html><script type="importmap">
{"imports": {"@litertjs/wasm-utils": "/modules/@litertjs/wasm-utils/dist/index.js"}}</script>`;
const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
  if (path === "/") {
    response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
    return;
  }
  const file = path.startsWith("/modules/") ? join(modules, path.slice(9)) : join(folder, path);
  if (!existsSync(file) || !statSync(file).isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream" });
  createReadStream(file).pipe(response);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

/** Run `work` in a browser of its own, a few times; print the median of every figure. */
async function measure(work, argument) {
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) {
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu"],
    });
    const tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${server.address().port}/`);
    rounds.push(await tab.evaluate(work, argument));
    await browser.close();
  }
  rounds[0].forEach(({ name, ...figures }, i) => {
    const cells = Object.keys(figures).map((key) => {
      const values = rounds.map((rows) => rows[i][key]).sort((a, b) => a - b);
      return values[ROUNDS >> 1]?.toFixed(key === "run" ? 1 : 0) ?? "";
    });
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  });
}

/** ONNX Runtime Web, as the page uses it. */
async function onnx() {
  const start = performance.now();
  const ort = await import("/modules/onnxruntime-web/dist/ort.wasm.min.mjs");
  const wasm = await (await fetch("/modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm")).arrayBuffer();
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.wasmPaths = "/modules/onnxruntime-web/dist/";
  const { size } = await (await fetch("card.json")).json();
  const rows = [];
  for (const [file, ...shapes] of [
    ["finder.onnx", [1, 640, 640, 3], [1, 480, 640, 3], [1, 192, 256, 3]],
    ["classifier.onnx", [1, size, size, 3]],
  ]) {
    const before = rows.length === 0 ? start : performance.now();
    const model = new Uint8Array(await (await fetch(file)).arrayBuffer());
    const session = await ort.InferenceSession.create(model);
    let open = performance.now() - before;
    for (const shape of shapes) {
      const length = shape.reduce((a, b) => a * b);
      const { type } = session.inputMetadata[0];
      const data = (type === "uint8" ? new Uint8Array(length) : new Float32Array(length)).map(
        () => Math.random() * 255,
      );
      const times = [];
      for (let i = 0; i < 26; i++) {
        const before = performance.now();
        await session.run({ [session.inputNames[0]]: new ort.Tensor(type, data, shape) });
        times.push(performance.now() - before);
      }
      const [first, ...later] = times;
      later.sort((a, b) => a - b);
      const name = `onnxruntime-web, ${file} ${shape.join("×")}`;
      rows.push({ name, open, first, run: later[12] });
      open = undefined;
    }
  }
  return rows;
}

/** LiteRT.js, whose models have the one size that is written into them. */
async function litert([build, files]) {
  const start = performance.now();
  const litert = await import("/modules/@litertjs/core/dist/index.js");
  await litert.loadLiteRt(`/modules/@litertjs/core/wasm/${build}`);
  const rows = [];
  for (const file of files) {
    const before = rows.length === 0 ? start : performance.now();
    const model = await litert.loadAndCompile(`/${file}`, { accelerator: "wasm" });
    const open = performance.now() - before;
    const { shape, dtype } = model.getInputDetails()[0];
    const length = [...shape].reduce((a, b) => a * b);
    const data = (dtype === "uint8" ? new Uint8Array(length) : new Float32Array(length)).map(
      () => Math.random() * 255,
    );
    const times = [];
    for (let i = 0; i < 26; i++) {
      const before = performance.now();
      const input = new litert.Tensor(data, [...shape]);
      const outputs = await model.run(input);
      for (const output of outputs) {
        output.toTypedArray();
        output.delete();
      }
      input.delete();
      times.push(performance.now() - before);
    }
    const [first, ...later] = times;
    later.sort((a, b) => a - b);
    const name = `LiteRT.js${build ? " (compat)" : ""}, ${file} ${[...shape].join("×")}`;
    rows.push({ name, open, first, run: later[12] });
  }
  return rows;
}

console.log("| runtime, model | open, ms | first run, ms | run, ms |\n|---|---|---|---|");
await measure(onnx);
const models = readdirSync(folder).filter((name) => name.endsWith(".tflite"));
models.sort().reverse(); // the finder first: opening the first model includes starting the runtime
if (existsSync(join(modules, "@litertjs/core"))) {
  for (const build of ["", "litert_wasm_compat_internal.js"]) await measure(litert, [build, models]);
} else {
  console.log("\nLiteRT.js is not installed; see the head of this file.");
}
server.close();
