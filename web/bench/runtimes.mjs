/**
 * onnxruntime-web against LiteRT.js, one wasm thread each, in headless Chromium: why the page runs
 * the one it runs. Prints milliseconds to open each model and to run it once (median of 25).
 *
 *   npm --prefix web install --no-save @litertjs/core@2.5.3
 *   npm --prefix web run bench:runtimes -- FOLDER
 *
 * FOLDER has finder.onnx, classifier.onnx, and any number of .tflite files of a fixed size.
 */

import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve } from "node:path";
import { chromium } from "@playwright/test";

const folder = resolve(process.argv[2] ?? ".");
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

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});

async function measure(work, argument) {
  const tab = await browser.newPage();
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  const rows = await tab.evaluate(work, argument);
  await tab.close();
  for (const { name, open, run } of rows) {
    console.log(`| ${name} | ${open.toFixed(0)} | ${run.toFixed(1)} |`);
  }
}

console.log("| runtime, model | open, ms | run, ms |\n|---|---|---|");
await measure(async () => {
  const ort = await import("/modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/modules/onnxruntime-web/dist/";
  const rows = [];
  for (const [file, ...shape] of [
    ["finder.onnx", 1, 480, 640, 3],
    ["finder.onnx", 1, 320, 416, 3],
    ["finder.onnx", 1, 288, 384, 3],
    ["classifier.onnx", 1, 112, 112, 3],
  ]) {
    const start = performance.now();
    const model = new Uint8Array(await (await fetch(file)).arrayBuffer());
    const session = await ort.InferenceSession.create(model);
    const open = performance.now() - start;
    const data = new Float32Array(shape.reduce((a, b) => a * b)).map(() => Math.random());
    const times = [];
    for (let i = 0; i < 25; i++) {
      const before = performance.now();
      await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", data, shape) });
      times.push(performance.now() - before);
    }
    times.sort((a, b) => a - b);
    rows.push({ name: `onnxruntime-web, ${file} ${shape.join("×")}`, open, run: times[12] });
  }
  return rows;
});
const litert = existsSync(join(modules, "@litertjs/core"));
for (const build of litert ? ["", "litert_wasm_compat_internal.js"] : []) {
  await measure(
    async ([build, files]) => {
      const litert = await import("/modules/@litertjs/core/dist/index.js");
      await litert.loadLiteRt(`/modules/@litertjs/core/wasm/${build}`);
      const rows = [];
      for (const file of files) {
        const start = performance.now();
        const model = await litert.loadAndCompile(`/${file}`, { accelerator: "wasm" });
        const open = performance.now() - start;
        const { shape, dtype } = model.getInputDetails()[0];
        const length = [...shape].reduce((a, b) => a * b);
        const data = dtype === "uint8" ? new Uint8Array(length) : new Float32Array(length);
        const times = [];
        for (let i = 0; i < 25; i++) {
          const before = performance.now();
          const input = new litert.Tensor(data.map(() => Math.random() * 255), [...shape]);
          const outputs = await model.run(input);
          for (const output of outputs) {
            output.toTypedArray();
            output.delete();
          }
          input.delete();
          times.push(performance.now() - before);
        }
        times.sort((a, b) => a - b);
        rows.push({ name: `LiteRT.js${build ? " (compat)" : ""}, ${file}`, open, run: times[12] });
      }
      return rows;
    },
    [build, readdirSync(folder).filter((name) => name.endsWith(".tflite"))],
  );
}
await browser.close();
server.close();
