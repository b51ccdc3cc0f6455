/** Blurring: Gaussians and means of 3 x 3, with OpenCV's rounding. */

import { roundEven } from "./geometry.js";
import { areaMeans, crop, packed, resize } from "./resize.js";
import { Scratch } from "./scratch.js";

const scratch = new Scratch();

/** A Gaussian's weights in 256ths, which add up to 256: OpenCV's for 8 bits. */
function gaussianWeights(sigma, radius) {
  const exact = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)));
  const sum = exact.reduce((a, b) => a + b, 0);
  const weights = new Int32Array(2 * radius + 1);
  let error = 0;
  let used = 0;
  for (let i = 0; i < radius; i++) {
    const wanted = (exact[i] / sum) * 256 + error;
    const weight = roundEven(wanted);
    error = wanted - weight;
    weights[i] = weights[2 * radius - i] = weight;
    used += 2 * weight;
  }
  weights[radius] = 256 - used;
  return weights;
}

/**
 * Gaussian blur of a mask; beyond its edge the last row or column goes on.
 * @param mask a `Plane` of single bytes; not changed
 * @param out a `Plane` of the mask's size, not overlapping it
 * @param {number} radiusX pixels to either side that count
 */
export function gaussianBlur(mask, out, sigmaX, radiusX, sigmaY = sigmaX, radiusY = radiusX) {
  const { width, height } = mask;
  const across = gaussianWeights(sigmaX, radiusX);
  const down = gaussianWeights(sigmaY, radiusY);
  if (radiusX === 1 && radiusY === 1) {
    blurByThree(mask, out, across, down);
    return;
  }
  const taps = down.length;
  // The last rows, blurred across, in a ring.
  const ring = Array.from({ length: taps }, (_, i) => scratch.take(`ring ${i}`, width, Uint16Array));
  const line = scratch.take("line", width + 2 * radiusX);
  const sums = scratch.take("sums", width, Int32Array);
  const blurAcross = (y, target) => {
    const start = mask.offset + y * mask.stride;
    line.set(mask.data.subarray(start, start + width), radiusX);
    line.fill(line[radiusX], 0, radiusX);
    line.fill(line[radiusX + width - 1], radiusX + width);
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let i = 0; i < across.length; i++) sum += across[i] * line[x + i];
      target[x] = sum;
    }
  };
  let ready = -1; // the last row that is in the ring
  for (let y = 0; y < height; y++) {
    for (const last = Math.min(y + radiusY, height - 1); ready < last; )
      blurAcross(++ready, ring[ready % taps]);
    const rowAt = (i) => ring[Math.min(Math.max(y + i - radiusY, 0), height - 1) % taps];
    const start = out.offset + y * out.stride;
    const target = out.data.subarray(start, start + width);
    sums.fill(32768);
    for (let i = 0; i < taps; i++) {
      const row = rowAt(i);
      const weight = down[i];
      for (let x = 0; x < width; x++) sums[x] += Math.imul(weight, row[x]);
    }
    for (let x = 0; x < width; x++) target[x] = sums[x] >> 16;
  }
}

const MIXED = -1;
const WORD = 4; // bytes

/** The same, with one pixel to either side. A mask is 0 or 255 but for its edges, and blurring leaves that as it is. */
function blurByThree(mask, out, [side, middle], [beside, here]) {
  const { data, width, height } = mask;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const words = Math.floor(width / WORD);
  // Of each word of a row, with one before and one behind: what it and those above and below hold alone.
  const levels = scratch.take("levels", words + 2, Int16Array);
  const sums = scratch.take("sums down", width, Int32Array);
  for (let y = 0; y < height; y++) {
    const row = mask.offset + y * mask.stride;
    const above = y > 0 ? row - mask.stride : row;
    const below = y < height - 1 ? row + mask.stride : row;
    for (let i = 0, at = 0; i < words; i++, at += WORD) {
      const word = view.getInt32(row + at, true);
      const flat = (word === 0 || word === -1) && word === view.getInt32(above + at, true);
      levels[i + 1] = flat && word === view.getInt32(below + at, true) ? word & 255 : MIXED;
    }
    levels[0] = levels[1];
    levels[words + 1] = MIXED;
    const target = out.offset + y * out.stride;
    for (let i = 1; i <= words; ) {
      const start = i;
      if (isFlat(levels, i)) {
        while (i <= words && isFlat(levels, i)) i++;
        out.data.fill(levels[start], target + (start - 1) * WORD, target + (i - 1) * WORD);
        continue;
      }
      while (i <= words && !isFlat(levels, i)) i++;
      const from = (start - 1) * WORD;
      const to = (i - 1) * WORD;
      sumDown(data, above, row, below, Math.max(from - 1, 0), Math.min(to + 1, width), beside, here, sums);
      blurAcross(sums, from, to, width, side, middle, out.data, target);
    }
    if (words * WORD < width) {
      sumDown(data, above, row, below, Math.max(words * WORD - 1, 0), width, beside, here, sums);
      blurAcross(sums, words * WORD, width, width, side, middle, out.data, target);
    }
  }
}

/** Whether a word and both beside it hold one level alone. */
function isFlat(levels, i) {
  return levels[i] !== MIXED && levels[i - 1] === levels[i] && levels[i + 1] === levels[i];
}

function sumDown(data, above, row, below, from, to, beside, here, sums) {
  for (let x = from; x < to; x++)
    sums[x] = Math.imul(beside, data[above + x] + data[below + x]) + Math.imul(here, data[row + x]);
}

function blurAcross(sums, from, to, width, side, middle, out, target) {
  let left = sums[from > 0 ? from - 1 : 0];
  let centre = sums[from];
  for (let x = from; x < to; x++) {
    const right = x + 1 < width ? sums[x + 1] : centre;
    out[target + x] = (Math.imul(side, left + right) + Math.imul(middle, centre) + 32768) >> 16;
    left = centre;
    centre = right;
  }
}

/** Pixels to either side of a Gaussian without a given size, as OpenCV chooses them for 8 bits. */
const ownRadius = (sigma) => roundEven(sigma * 3 * 2 + 1) >> 1;

/**
 * Gaussian blur by way of a smaller picture, for a wide one: its cost doesn't grow with sigma.
 * @param mask a packed `Plane`
 * @param {number} direct the sigma at which the smaller picture is blurred
 */
export function wideGaussianBlur(mask, out, sigma, direct) {
  const { width, height } = mask;
  const smallWidth = Math.max(roundEven((width * direct) / sigma), 1);
  const smallHeight = Math.max(roundEven((height * direct) / sigma), 1);
  const tight = crop(mask, { x0: 0, y0: 0, x1: width, y1: height });
  const flat = resize(tight, width, height, new Uint8Array(width * height));
  const means = Uint8Array.from(areaMeans(flat, width, height, smallWidth, smallHeight), roundEven);
  const blurred = new Uint8Array(means.length);
  const sigmaX = (sigma * smallWidth) / width;
  const sigmaY = (sigma * smallHeight) / height;
  gaussianBlur(
    packed(means, smallWidth, smallHeight),
    packed(blurred, smallWidth, smallHeight),
    sigmaX,
    ownRadius(sigmaX),
    sigmaY,
    ownRadius(sigmaY),
  );
  const large = resize(packed(blurred, smallWidth, smallHeight), width, height, flat);
  for (let y = 0; y < height; y++)
    out.data.set(large.subarray(y * width, (y + 1) * width), out.offset + y * out.stride);
}

/**
 * Means over 3 x 3 floats; beyond the edge the picture is mirrored, its last pixel being the mirror.
 * @returns {Float32Array} `target`, or a new array
 */
export function boxMeans(values, width, height, target = new Float32Array(width * height)) {
  const lines = new Float32Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0, at = y * width; x < width; x++, at++) {
      const left = x > 0 ? at - 1 : width > 1 ? at + 1 : at;
      const right = x < width - 1 ? at + 1 : width > 1 ? at - 1 : at;
      lines[at] = values[left] + values[at] + values[right];
    }
  for (let y = 0; y < height; y++) {
    const up = y > 0 ? -width : height > 1 ? width : 0;
    const down = y < height - 1 ? width : height > 1 ? -width : 0;
    for (let x = 0, at = y * width; x < width; x++, at++)
      target[at] = (lines[at + up] + lines[at] + lines[at + down]) / 9;
  }
  return target;
}

/**
 * Sums over 3 of a row of bytes, mirrored beyond its ends.
 * @param {Uint16Array} target `width`
 */
function sumsOfThree(data, start, width, target) {
  if (width === 1) {
    target[0] = 3 * data[start];
    return;
  }
  target[0] = data[start] + 2 * data[start + 1];
  for (let x = 1; x < width - 1; x++)
    target[x] = data[start + x - 1] + data[start + x] + data[start + x + 1];
  target[width - 1] = data[start + width - 1] + 2 * data[start + width - 2];
}

/**
 * Rows of means over 3 x 3 bytes, one after the other.
 * @param plane a `Plane` of single bytes, of any pixel step 1
 * @param {(y: number, row: Uint8Array) => void} use called for each row; `row` is valid until it returns
 */
export function forEachBlurredRow(plane, use) {
  const { width, height } = plane;
  const ring = [0, 1, 2].map((i) => scratch.take(`three ${i}`, width, Uint16Array));
  const row = scratch.take("means", width);
  let ready = -1;
  for (let y = 0; y < height; y++) {
    for (const last = Math.min(y + 1, height - 1); ready < last; ) {
      ready++;
      sumsOfThree(plane.data, plane.offset + ready * plane.stride, width, ring[ready % 3]);
    }
    const above = ring[(y > 0 ? y - 1 : Math.min(1, height - 1)) % 3];
    const below = ring[(y < height - 1 ? y + 1 : Math.max(height - 2, 0)) % 3];
    const here = ring[y % 3];
    // A ninth by multiplying: exact for sums up to 9 * 255.
    for (let x = 0; x < width; x++) row[x] = ((above[x] + here[x] + below[x] + 4) * 7282) >> 16;
    use(y, row);
  }
}
