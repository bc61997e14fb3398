/**
 * Scaling as OpenCV does it, because the models were trained on its pixels: averaging over areas
 * when a picture shrinks (INTER_AREA), two-point interpolation in fixed point when it grows
 * (INTER_LINEAR). RGBA from a canvas goes in, RGB comes out; tests compare it with cv2.
 */

/** RGBA, 8 bits each, row by row: what ImageData is. Alpha is ignored. */
export interface Pixels {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

/** A window of a picture; what lies outside repeats the picture's border. */
export interface Window {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Python's round(): halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Scale a window of a picture to width × height pixels. It averages over areas if `shrink`.
 * Returns RGB, 8 bits each, row by row.
 */
export function resize(
  source: Pixels,
  window: Window,
  width: number,
  height: number,
  shrink: boolean,
): Uint8Array {
  const grows = width > window.width || height > window.height;
  // OpenCV averages over areas only if neither side grows.
  return shrink && !grows
    ? average(source, window, width, height)
    : interpolate(source, window, width, height);
}

/** Which source pixels make up each target pixel of one axis, and with what weight. */
interface Spans {
  /** Of target pixel i: entries starts[i] … starts[i + 1] of the other two. */
  starts: Int32Array;
  /** Where a source pixel begins: its index in the picture times the step. */
  offsets: Int32Array;
  weights: Float32Array;
}

/** OpenCV's computeResizeAreaTab (imgproc/src/resize.cpp): what each target pixel covers. */
function spans(from: number, to: number, origin: number, limit: number, step: number): Spans {
  const scale = 1 / (to / from);
  const starts = new Int32Array(to + 1);
  const offsets: number[] = [];
  const weights: number[] = [];
  const add = (index: number, weight: number): void => {
    offsets.push(Math.min(Math.max(origin + index, 0), limit - 1) * step);
    weights.push(weight);
  };
  for (let i = 0; i < to; i++) {
    const begin = i * scale;
    const end = begin + scale;
    const cell = Math.min(scale, from - begin);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(begin), last);
    if (first - begin > 1e-3) add(first - 1, (first - begin) / cell);
    for (let j = first; j < last; j++) add(j, 1 / cell);
    if (end - last > 1e-3) add(last, Math.min(end - last, 1, cell) / cell);
    starts[i + 1] = offsets.length;
  }
  return { starts, offsets: Int32Array.from(offsets), weights: Float32Array.from(weights) };
}

function average(source: Pixels, window: Window, width: number, height: number): Uint8Array {
  const across = spans(window.width, width, window.left, source.width, 4);
  const down = spans(window.height, height, window.top, source.height, source.width * 4);
  // OpenCV halves pictures with integers, which round halves up instead of to even.
  const halves = window.width === 2 * width && window.height === 2 * height;
  const { data } = source;
  const row = new Float32Array(width * 3);
  const sums = new Float32Array(width * 3);
  // A clamped array rounds what is written to it, halves to even, as OpenCV does.
  const out = new Uint8ClampedArray(width * height * 3);
  let done = -1;
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (let v = down.starts[y]!; v < down.starts[y + 1]!; v++) {
      const offset = down.offsets[v]!;
      // Neighbours share a source row where the borders of their areas lie inside it.
      if (offset !== done) averageRow(data, offset, across, row, width);
      done = offset;
      const weight = down.weights[v]!;
      for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + row[i]! * weight;
    }
    const start = y * width * 3;
    for (let i = 0; i < sums.length; i++) {
      out[start + i] = halves ? Math.floor(sums[i]! + 0.5) : sums[i]!;
    }
  }
  return new Uint8Array(out.buffer);
}

function averageRow(
  data: Uint8ClampedArray,
  offset: number,
  across: Spans,
  row: Float32Array,
  width: number,
): void {
  const { starts, offsets, weights } = across;
  for (let x = 0, at = 0; x < width; x++, at += 3) {
    let red = 0;
    let green = 0;
    let blue = 0;
    const end = starts[x + 1]!;
    for (let u = starts[x]!; u < end; u++) {
      const pixel = offset + offsets[u]!;
      const weight = weights[u]!;
      red += data[pixel]! * weight;
      green += data[pixel + 1]! * weight;
      blue += data[pixel + 2]! * weight;
    }
    row[at] = red;
    row[at + 1] = green;
    row[at + 2] = blue;
  }
}

/** The two source pixels of each target pixel of one axis, and the weight of each, of 2048. */
interface Pairs {
  first: Int32Array;
  second: Int32Array;
  firstWeight: Int32Array;
  secondWeight: Int32Array;
}

const FIXED_POINT = 2048;

function pairs(from: number, to: number, origin: number, limit: number, step: number): Pairs {
  const scale = 1 / (to / from);
  const result: Pairs = {
    first: new Int32Array(to),
    second: new Int32Array(to),
    firstWeight: new Int32Array(to),
    secondWeight: new Int32Array(to),
  };
  const place = (index: number): number => Math.min(Math.max(origin + index, 0), limit - 1) * step;
  for (let i = 0; i < to; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    let index = Math.floor(position);
    let share = Math.fround(position - index);
    if (index < 0 || index >= from - 1) {
      index = index < 0 ? 0 : from - 1;
      share = 0;
    }
    result.first[i] = place(index);
    result.second[i] = place(Math.min(index + 1, from - 1));
    result.firstWeight[i] = roundHalfEven(Math.fround(1 - share) * FIXED_POINT);
    result.secondWeight[i] = roundHalfEven(share * FIXED_POINT);
  }
  return result;
}

function interpolate(source: Pixels, window: Window, width: number, height: number): Uint8Array {
  const across = pairs(window.width, width, window.left, source.width, 4);
  const down = pairs(window.height, height, window.top, source.height, source.width * 4);
  const { data } = source;
  const rows: [Int32Array, Int32Array] = [new Int32Array(width * 3), new Int32Array(width * 3)];
  const held: [number, number] = [-1, -1];
  const out = new Uint8Array(width * height * 3);
  const row = (slot: 0 | 1, offset: number): Int32Array => {
    if (held[slot] === offset) return rows[slot];
    if (slot === 0 && held[1] === offset) {
      rows.reverse(); // moving down, the lower row of the last pair is the upper one of this
      held.reverse();
      return rows[0];
    }
    const target = rows[slot];
    for (let x = 0, at = 0; x < width; x++, at += 3) {
      const left = offset + across.first[x]!;
      const right = offset + across.second[x]!;
      const leftWeight = across.firstWeight[x]!;
      const rightWeight = across.secondWeight[x]!;
      for (let c = 0; c < 3; c++) {
        target[at + c] = data[left + c]! * leftWeight + data[right + c]! * rightWeight;
      }
    }
    held[slot] = offset;
    return target;
  };
  for (let y = 0; y < height; y++) {
    const upper = row(0, down.first[y]!);
    const lower = row(1, down.second[y]!);
    const upperWeight = down.firstWeight[y]!;
    const lowerWeight = down.secondWeight[y]!;
    const start = y * width * 3;
    for (let i = 0; i < width * 3; i++) {
      // The shifts are OpenCV's VResizeLinear, so that the last bit agrees too.
      const value =
        (((upperWeight * (upper[i]! >> 4)) >> 16) + ((lowerWeight * (lower[i]! >> 4)) >> 16) + 2) >> 2;
      out[start + i] = value;
    }
  }
  return out;
}
