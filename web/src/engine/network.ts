/**
 * The wasm runtime: ONNX Runtime Web, one thread, its files from this origin only. Model bytes go
 * in; a network comes out that takes one tensor and gives named ones.
 */

import * as ort from "onnxruntime-web/wasm";
import glue from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import { BundleError } from "../core/card";

export interface Network {
  /**
   * Run the network; the result has the network's own output names. Pixels (0…255) may come as
   * bytes, whichever of both its file takes.
   */
  run(
    tensor: Float32Array | Uint8Array,
    shape: readonly number[],
  ): Promise<Record<string, Float32Array>>;
  /** Let go of its memory; it cannot be run any more. */
  close(): Promise<void>;
}

/**
 * How a network is opened: as it is, which is quick, or rewritten by the runtime so that it runs
 * faster. Rewriting runs much of the runtime's code for the first time, which has to be compiled for
 * it: that takes longer than all the rest of a start.
 */
export type Effort = "quick" | "thorough";

const runtimeGlue = new URL(glue, import.meta.url).href;

/** Fetch what belongs to the runtime, which is needed as soon as it starts. */
export function prepareRuntime(): void {
  import(/* @vite-ignore */ runtimeGlue).catch(() => undefined); // starting it will tell
}

/**
 * Start the runtime. `compiled` is ort-wasm-simd-threaded.wasm. ONNX Runtime takes it as bytes only
 * and has the browser compile them, so it is given a stand-in that stands for what is compiled.
 */
export function startRuntime(compiled: WebAssembly.Module): void {
  const standIn = new ArrayBuffer(8);
  const { instantiate } = WebAssembly;
  const known = async (imports?: WebAssembly.Imports) => ({
    module: compiled,
    instance: await instantiate(compiled, imports),
  });
  Object.assign(WebAssembly, {
    instantiate: (source: BufferSource, imports?: WebAssembly.Imports) =>
      source === standIn || (source as Uint8Array).buffer === standIn
        ? known(imports)
        : instantiate(source, imports),
  });
  // Android's WebView has no SharedArrayBuffer, and most static hosts do not send its headers.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = standIn;
  ort.env.wasm.wasmPaths = { mjs: runtimeGlue };
}

/** Open the content of an ONNX file that has one input. The outputs are the same either way. */
export async function openNetwork(name: string, model: Uint8Array, effort: Effort): Promise<Network> {
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(model, {
      executionProviders: ["wasm"],
      graphOptimizationLevel: effort === "quick" ? "disabled" : "all",
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new BundleError(`The model ${name} cannot be opened: ${String(error)}`);
  }
  const input = session.inputNames[0] ?? "";
  const [facts] = session.inputMetadata;
  const takesPixels = facts?.isTensor === true && facts.type === "uint8";
  return {
    async run(tensor, shape) {
      const pixels = tensor instanceof Uint8Array;
      const feed =
        pixels && takesPixels
          ? new ort.Tensor("uint8", tensor, shape)
          : new ort.Tensor("float32", pixels ? Float32Array.from(tensor) : tensor, shape);
      const results = await session.run({ [input]: feed });
      const outputs: Record<string, Float32Array> = {};
      for (const [key, value] of Object.entries(results)) {
        outputs[key] = value.data as Float32Array;
      }
      return outputs;
    },
    close: () => session.release(),
  };
}
