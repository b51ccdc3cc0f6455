/**
 * Resizing as the Python package does it: bilinear down to half, then means of whole blocks.
 *
 * The bilinear step has OpenCV's fixed-point arithmetic for 8 bits: weights of 11 bits, a right shift by 4
 * between the two directions.
 */

import { roundEven } from "./geometry.js";
import { Scratch } from "./scratch.js";

const scratch = new Scratch();

/**
 * A rectangle of interleaved 8-bit pixels inside a larger memory.
 * @typedef {{data: Uint8Array, offset: number, stride: number, step: number, width: number, height: number}} Plane
 * offset: of the first pixel, in bytes. stride: from row to row. step: from pixel to pixel.
 */

/** A plane over tightly packed pixels. */
export function packed(data, width, height, step = 1) {
  return { data, offset: 0, stride: width * step, step, width, height };
}

/** The part of a plane that a region covers. */
export function crop(plane, { x0, y0, x1, y1 }) {
  return {
    ...plane,
    offset: plane.offset + y0 * plane.stride + x0 * plane.step,
    width: x1 - x0,
    height: y1 - y0,
  };
}

/**
 * Resize some of a plane's channels.
 * @param {Plane} source
 * @param {number} width of the result
 * @param {number} height of the result
 * @param {Uint8Array} out `width * height * order.length` bytes, pixels interleaved
 * @param {number[]} order which of the source's channels become the result's
 * @param {boolean} quick let the linear step go further, for half of the time
 */
export function resize(source, width, height, out, order = [0], quick = false) {
  const across = between(source.width, width, quick);
  const down = between(source.height, height, quick);
  if (across === source.width && down === source.height) {
    blockMeans(source, width, height, out, order);
  } else if (across === width && down === height) {
    linear(source, width, height, out, order);
  } else {
    const channels = order.length;
    const middle = scratch.take("between", across * down * channels);
    linear(source, across, down, middle, order);
    blockMeans(packed(middle, across, down, channels), width, height, out, [...order.keys()]);
  }
  return out;
}

/** The length at which `length` pixels are between the linear step and the means of blocks. */
function between(length, wanted, quick) {
  if (length === wanted) return length;
  const [once, twice] = quick ? [3, 7] : [2, 4];
  return wanted * (length <= once * wanted ? 1 : length <= twice * wanted ? 2 : 4);
}

function blockMeans(source, width, height, out, order) {
  const { data, offset, stride, step } = source;
  const across = source.width / width;
  const down = source.height / height;
  const channels = order.length;
  const shift = Math.log2(across * down); // sizes are powers of 2
  // Halves go to the even number, as OpenCV has it, but for single and for three planes of 2 x 2.
  const halvesUp = across === 2 && down === 2 && channels !== 2;
  const half = (1 << shift) >> 1;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      let at = offset + y * down * stride + order[c];
      let to = y * width * channels + c;
      if (halvesUp) {
        for (let x = 0; x < width; x++, at += 2 * step, to += channels) {
          const below = at + stride;
          out[to] = (data[at] + data[at + step] + data[below] + data[below + step] + 2) >> 2;
        }
        continue;
      }
      for (let x = 0; x < width; x++, at += across * step, to += channels) {
        let sum = half;
        for (let j = 0, row = at; j < down; j++, row += stride) {
          sum += data[row];
          if (across === 1) continue;
          sum += data[row + step];
          if (across === 4) sum += data[row + 2 * step] + data[row + 3 * step];
        }
        const up = sum >> shift;
        // The sum of an exact half now divides without a rest.
        out[to] = half && up << shift === sum ? up & ~1 : up;
      }
    }
  }
}

/**
 * Where each of `to` samples lies among `from`: the first of its two neighbours, and how far it is from there to
 * the second, 0-1. In OpenCV's 32 bits, so that halves fall alike.
 * @param {boolean} beyond let the first neighbour be -1, before all, rather than give all weight to 0
 */
export function positions(from, to, name, beyond = false) {
  const first = scratch.take(`${name} first`, to, Int32Array);
  const rest = scratch.take(`${name} rest`, to, Float32Array);
  const scale = from / to;
  for (let i = 0; i < to; i++) {
    const at = Math.fround((i + 0.5) * scale - 0.5);
    const low = Math.floor(at);
    const inside = low >= 0 && low < from - 1;
    first[i] = beyond ? Math.min(low, from - 1) : Math.min(Math.max(low, 0), from - 1);
    rest[i] = inside || beyond ? at - low : 0;
  }
  return [first, rest];
}

/** A share of 1 in 2048ths. */
const weight = (share) => roundEven(share * 2048);

function linear(source, width, height, out, order) {
  const [columns, columnRests] = positions(source.width, width, "columns");
  // Beyond the first and the last row OpenCV takes that row twice, and so rounds twice.
  const [rows, rowRests] = positions(source.height, height, "rows", true);
  // Of each column: its place, its neighbour's, and both weights.
  const taps = scratch.take("taps", 4 * width, Int32Array);
  for (let x = 0, i = 0; x < width; x++) {
    const place = columns[x] * source.step;
    taps[i++] = place;
    taps[i++] = columns[x] < source.width - 1 ? place + source.step : place;
    taps[i++] = weight(1 - columnRests[x]);
    taps[i++] = weight(columnRests[x]);
  }
  const count = width * order.length;
  if (order.length === 3 && source.height >= 2 * height) {
    // No two rows of the result share a row of the source.
    for (let y = 0; y < height; y++) {
      const first = Math.max(rows[y], 0);
      const second = Math.min(rows[y] + 1, source.height - 1);
      resizeColours(source, first, second, taps, weight(1 - rowRests[y]), weight(rowRests[y]), order, out, y * count);
    }
    return;
  }
  // Two source rows, resized across. Enlarging uses them for several rows.
  let upper = scratch.take("upper", count, Int32Array);
  let lower = scratch.take("lower", count, Int32Array);
  let upperRow = -1;
  let lowerRow = -1;
  const runs = height >= 2 * source.height ? scratch.take("runs", 3 * count, Int32Array) : null;
  let runsEnd = 0;
  for (let y = 0; y < height; y++) {
    const first = Math.max(rows[y], 0);
    const second = Math.min(rows[y] + 1, source.height - 1);
    const others = upperRow !== first || lowerRow !== second;
    if (upperRow !== first) {
      if (lowerRow === first) {
        [upper, lower] = [lower, upper];
        [upperRow, lowerRow] = [lowerRow, upperRow];
      } else {
        resizeRow(source, first, taps, order, upper);
        upperRow = first;
      }
    }
    if (lowerRow !== second) {
      resizeRow(source, second, taps, order, lower);
      lowerRow = second;
    }
    const [w0, w1] = [weight(1 - rowRests[y]), weight(rowRests[y])];
    if (runs === null) {
      mixRows(upper, lower, w0, w1, out, y * count, 0, count);
      continue;
    }
    if (others) runsEnd = findRuns(upper, lower, runs);
    for (let i = 0; i < runsEnd; i += 3) {
      const [from, to, level] = [runs[i], runs[i + 1], runs[i + 2]];
      if (level === MIXED) mixRows(upper, lower, w0, w1, out, y * count, from, to);
      else out.fill(level, y * count + from, y * count + to);
    }
  }
}

const MIXED = -1;
const FULL = (255 * 2048) >> 4; // what 255 is in a row resized across
const SHORT_RUN = 8; // shorter ones are not worth a call

/**
 * Where two rows are all 0 or all 255, as masks are but for their edges.
 * @param {Int32Array} runs gets `start, end, level` of each run
 * @returns how many numbers those are
 */
function findRuns(upper, lower, runs) {
  const count = upper.length;
  let end = 0;
  let mixedFrom = 0;
  for (let at = 0; at < count; ) {
    const value = upper[at];
    const start = at;
    if (value === 0 || value === FULL) while (at < count && upper[at] === value && lower[at] === value) at++;
    if (at - start < SHORT_RUN) {
      if (at === start) at++;
      continue;
    }
    if (mixedFrom < start) {
      runs[end++] = mixedFrom;
      runs[end++] = start;
      runs[end++] = MIXED;
    }
    runs[end++] = start;
    runs[end++] = at;
    runs[end++] = value === 0 ? 0 : 255;
    mixedFrom = at;
  }
  if (mixedFrom < count) {
    runs[end++] = mixedFrom;
    runs[end++] = count;
    runs[end++] = MIXED;
  }
  return end;
}

function resizeRow(source, row, taps, order, target) {
  const { data } = source;
  const channels = order.length;
  const start = source.offset + row * source.stride;
  for (let c = 0; c < channels; c++) {
    const first = start + order[c];
    for (let i = 0, to = c; i < taps.length; i += 4, to += channels)
      target[to] =
        (Math.imul(data[first + taps[i]], taps[i + 2]) + Math.imul(data[first + taps[i + 1]], taps[i + 3])) >> 4;
  }
}

/** A row of three channels from two of the source's: most of the work where a frame is made small. */
function resizeColours({ data, offset, stride }, first, second, taps, v0, v1, order, out, to) {
  const upper = offset + first * stride;
  const down = (second - first) * stride;
  const a = order[0];
  const b = order[1];
  const c = order[2];
  for (let i = 0; i < taps.length; i += 4, to += 3) {
    const left = upper + taps[i];
    const right = upper + taps[i + 1];
    const w0 = taps[i + 2];
    const w1 = taps[i + 3];
    const left2 = left + down;
    const right2 = right + down;
    const a0 = (Math.imul(data[left + a], w0) + Math.imul(data[right + a], w1)) >> 4;
    const a1 = (Math.imul(data[left2 + a], w0) + Math.imul(data[right2 + a], w1)) >> 4;
    const b0 = (Math.imul(data[left + b], w0) + Math.imul(data[right + b], w1)) >> 4;
    const b1 = (Math.imul(data[left2 + b], w0) + Math.imul(data[right2 + b], w1)) >> 4;
    const c0 = (Math.imul(data[left + c], w0) + Math.imul(data[right + c], w1)) >> 4;
    const c1 = (Math.imul(data[left2 + c], w0) + Math.imul(data[right2 + c], w1)) >> 4;
    out[to] = ((Math.imul(v0, a0) >> 16) + (Math.imul(v1, a1) >> 16) + 2) >> 2;
    out[to + 1] = ((Math.imul(v0, b0) >> 16) + (Math.imul(v1, b1) >> 16) + 2) >> 2;
    out[to + 2] = ((Math.imul(v0, c0) >> 16) + (Math.imul(v1, c1) >> 16) + 2) >> 2;
  }
}

/** Columns `from` to `to` of a row between two others. */
function mixRows(upper, lower, w0, w1, out, start, from, to) {
  for (let i = from; i < to; i++)
    out[start + i] = ((Math.imul(w0, upper[i]) >> 16) + (Math.imul(w1, lower[i]) >> 16) + 2) >> 2;
}

/**
 * The mean of everything that a pixel of the result covers, for any sizes at or below the source's.
 * @returns {Float32Array} `width * height`
 */
export function areaMeans(data, fromWidth, fromHeight, width, height) {
  const lines = new Float64Array(fromHeight * width);
  spread(fromWidth, width, (to, from, share) => {
    for (let y = 0; y < fromHeight; y++) lines[y * width + to] += data[y * fromWidth + from] * share;
  });
  const out = new Float32Array(width * height);
  spread(fromHeight, height, (to, from, share) => {
    for (let x = 0; x < width; x++) out[to * width + x] += lines[from * width + x] * share;
  });
  return out;
}

function spread(from, to, add) {
  const scale = from / to;
  for (let i = 0; i < to; i++) {
    const start = i * scale;
    const end = Math.min((i + 1) * scale, from);
    for (let j = Math.floor(start); j < Math.ceil(end - 1e-9); j++)
      add(i, j, (Math.min(j + 1, end) - Math.max(j, start)) / scale);
  }
}
