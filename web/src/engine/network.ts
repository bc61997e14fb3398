/**
 * The wasm runtime: ONNX Runtime Web, one thread, its files from this origin only. Model bytes go
 * in; a network comes out that takes one tensor and gives named ones.
 */

import * as ort from "onnxruntime-web/wasm";
import glue from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import { BundleError } from "../core/card";

export interface Network {
  /** Run the network; the result has the network's own output names. */
  run(tensor: Float32Array, shape: readonly number[]): Promise<Record<string, Float32Array>>;
}

/** Start the runtime. `wasm` is the content of ort-wasm-simd-threaded.wasm. */
export function startRuntime(wasm: ArrayBuffer): void {
  // Android's WebView has no SharedArrayBuffer, and most static hosts do not send its headers.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.wasmPaths = { mjs: new URL(glue, import.meta.url).href };
}

/** Open the content of an ONNX file that has one input. */
export async function openNetwork(name: string, model: ArrayBuffer): Promise<Network> {
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(new Uint8Array(model), {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new BundleError(`The model ${name} cannot be opened: ${String(error)}`);
  }
  const input = session.inputNames[0] ?? "";
  return {
    async run(tensor, shape) {
      const feeds = { [input]: new ort.Tensor("float32", tensor, shape) };
      const results = await session.run(feeds);
      const outputs: Record<string, Float32Array> = {};
      for (const [key, value] of Object.entries(results)) {
        outputs[key] = value.data as Float32Array;
      }
      return outputs;
    },
  };
}
