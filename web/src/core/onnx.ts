/**
 * Unpacking an ONNX file's weights. The bundle keeps them small: as float16, or as 8-bit integers
 * with a scale, which the file's first nodes (`Cast`, `Mul`) turn into float32. The runtime would do
 * that for us, but with code that it has to compile for it: here it takes a tenth of the time, and
 * while the runtime is still on its way. The numbers are the same to the last bit. Bytes go in,
 * bytes come out; what is not packed in that way stays as it is.
 *
 * Field numbers are those of onnx.proto, the encoding is protobuf's.
 */

const GRAPH = 7; // of a model
const NODE = 1; // of a graph, as is the next
const INITIALIZER = 5;
const INPUT = 1; // of a node, as are the next two
const OUTPUT = 2;
const OPERATOR = 4;
const DIMS = 1; // of a tensor, as are the next three
const TYPE = 2;
const NAME = 8;
const RAW = 9;
const FLOAT = 1; // types of tensors
const INT8 = 3;
const FLOAT16 = 10;

/** Protobuf's wire types. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

interface Field {
  number: number;
  /** A number, or what is inside. */
  value: number | Uint8Array;
  /** The whole field as it is in the file. */
  whole: Uint8Array;
}

interface Constant {
  dims: number[];
  values: Float32Array;
}

/** The model with float32 weights in the place of packed ones; what is no model as it is. */
export function unpackWeights(model: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  try {
    for (const { number, value, whole } of fields(model)) {
      if (number !== GRAPH) parts.push(whole);
      else parts.push(...message(GRAPH, unpackGraph(value as Uint8Array)));
    }
  } catch {
    return model; // the runtime will say what is wrong with it
  }
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function unpackGraph(graph: Uint8Array): Uint8Array[] {
  const all = [...fields(graph)];
  const tensors = new Map<string, Field>();
  for (const field of all) {
    if (field.number !== INITIALIZER) continue;
    tensors.set(text(find(field.value as Uint8Array, NAME)), field);
  }
  const unpacked = new Map<string, Constant>();
  const needed = new Set<string>();
  const kept: Uint8Array[] = [];
  for (const { number, value, whole } of all) {
    if (number === INITIALIZER) continue;
    if (number === NODE) {
      const node = [...fields(value as Uint8Array)];
      const names = (of: number): string[] =>
        node.filter((field) => field.number === of).map((field) => text(field.value));
      const operator = text(node.find((field) => field.number === OPERATOR)?.value);
      const inputs = names(INPUT);
      const result = evaluate(operator, inputs, tensors, unpacked);
      if (result !== undefined) {
        unpacked.set(names(OUTPUT)[0] ?? "", result);
        continue;
      }
      for (const name of inputs) needed.add(name);
    }
    kept.push(whole);
  }
  for (const [name, { whole }] of tensors) if (needed.has(name)) kept.push(whole);
  for (const [name, constant] of unpacked) {
    if (needed.has(name)) kept.push(...message(INITIALIZER, tensor(name, constant)));
  }
  return kept;
}

/** What a node gives that only unpacks weights; undefined for all others. */
function evaluate(
  operator: string,
  inputs: readonly string[],
  tensors: ReadonlyMap<string, Field>,
  unpacked: ReadonlyMap<string, Constant>,
): Constant | undefined {
  const [first, second] = inputs.map((name) => tensors.get(name)?.value as Uint8Array | undefined);
  if (operator === "Cast" && first !== undefined) {
    const type = find(first, TYPE);
    return type === INT8 || type === FLOAT16 ? constant(first, type) : undefined;
  }
  const whole = unpacked.get(inputs[0] ?? "");
  if (operator !== "Mul" || whole === undefined || second === undefined) return undefined;
  if (find(second, TYPE) !== FLOAT) return undefined;
  const scale = constant(second, FLOAT);
  return scale === undefined ? undefined : scaled(whole, scale);
}

/** Each index of the one axis that the scale has times its own factor. */
function scaled({ dims, values }: Constant, scale: Constant): Constant | undefined {
  const axis = scale.dims.findIndex((size) => size > 1);
  const fits = scale.dims.every((size, i) => size === (i === axis ? dims[i] : 1));
  if (scale.dims.length !== dims.length || !fits) return undefined;
  const inner = axis < 0 ? values.length : dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const factors = scale.values;
  const out = new Float32Array(values.length);
  for (let start = 0, block = 0; start < values.length; start += inner, block++) {
    const factor = factors[block % factors.length]!;
    for (let i = start; i < start + inner; i++) out[i] = values[i]! * factor;
  }
  return { dims, values: out };
}

function constant(tensor: Uint8Array, type: number): Constant | undefined {
  const raw = find(tensor, RAW);
  if (!(raw instanceof Uint8Array)) return undefined;
  const dims = [...fields(tensor)].flatMap(({ number, value }) =>
    number !== DIMS ? [] : value instanceof Uint8Array ? varints(value) : [value],
  );
  const copy = raw.slice().buffer; // aligned
  if (type === INT8) return { dims, values: new Float32Array(new Int8Array(copy)) };
  if (type === FLOAT) return { dims, values: new Float32Array(copy) };
  const halves = new Uint16Array(copy);
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = half(halves[i]!);
  return { dims, values };
}

/** The value of an IEEE 754 half. */
export function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function tensor(name: string, { dims, values }: Constant): Uint8Array[] {
  return [
    ...dims.map((size) => Uint8Array.of(...varint(DIMS << 3), ...varint(size))),
    Uint8Array.of(...varint(TYPE << 3), FLOAT),
    ...message(NAME, [new TextEncoder().encode(name)]),
    ...message(RAW, [new Uint8Array(values.buffer)]),
  ];
}

/** A field with something inside: its head, then the parts. */
function message(number: number, parts: Uint8Array[]): Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [Uint8Array.of(...varint((number << 3) | BYTES), ...varint(length)), ...parts];
}

function find(message: Uint8Array, number: number): Field["value"] | undefined {
  for (const field of fields(message)) if (field.number === number) return field.value;
  return undefined;
}

function text(value: Field["value"] | undefined): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : "";
}

function* fields(message: Uint8Array): Generator<Field> {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new Error("The file ends in the middle of a number.");
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const key = number();
    const wire = key & 7;
    let value: Field["value"] = 0;
    if (wire === VARINT) value = number();
    else {
      const fixed: Record<number, number> = { [FIXED64]: 8, [FIXED32]: 4 };
      const length = wire === BYTES ? number() : (fixed[wire] ?? Infinity);
      if (at + length > message.length) throw new Error("This is no ONNX file, or only a part of one.");
      value = message.subarray(at, at + length);
      at += length;
    }
    yield { number: key >> 3, value, whole: message.subarray(start, at) };
  }
}

function varints(packed: Uint8Array): number[] {
  const values: number[] = [];
  let value = 0;
  let factor = 1;
  for (const byte of packed) {
    value += (byte & 127) * factor;
    factor *= 128;
    if (byte >= 128) continue;
    values.push(value);
    value = 0;
    factor = 1;
  }
  return values;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}
