/**
 * Edges that follow the frame at its own resolution: the fast guided filter (He and Sun 2015,
 * arXiv:1505.00996), as in the Python package.
 */

import { boxMeans, forEachBlurredRow } from "./blur.js";
import constants from "./constants.js";
import { greyLevel } from "./frame.js";
import { packed, positions, resize } from "./resize.js";

const { HALVED, EPSILON, GRAIN, HAZE } = constants.refine;

/** Pixels of the segmenter's picture beyond which a mask of 0 stays 0. */
export const REACH = constants.refine.REACH;

/**
 * Bring a mask to the frame's resolution along the frame's edges.
 * @param {Uint8Array} mask `size * size`
 * @param guide `{bgr, plane, gain, offset, grain}`: `bgr` as the segmenter saw it, `plane` the luma at the frame's
 *   resolution, `gain * luma + offset` being full-range grey, `grain` levels of noise beyond a camera's usual
 * @param {Uint8Array} out `width * height`; written to
 */
export function refine(mask, size, { bgr, plane, gain, offset, grain }, out, width, height) {
  const fitted = linearFunctions(greyOf(bgr, size), mask, size, EPSILON + (GRAIN * grain) ** 2);
  const stretch = 255 / (255 - 2 * HAZE);
  const { slope, constant, side } = fitted;
  for (let i = 0; i < slope.length; i++) {
    constant[i] = (constant[i] + offset * slope[i] - HAZE) * stretch;
    slope[i] *= gain * stretch;
  }
  const clamped = new Uint8ClampedArray(out.buffer, out.byteOffset, out.length); // rounds halves to even
  const slopes = enlargedRows(slope, side, width, height);
  const shifts = enlargedRows(constant, side, width, height);
  forEachBlurredRow(plane, (y, luma) => {
    const a = slopes(y);
    const b = shifts(y);
    for (let x = 0, to = y * width; x < width; x++, to++) clamped[to] = a[x] * luma[x] + b[x];
  });
}

function greyOf(bgr, size) {
  const grey = new Uint8Array(size * size);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3) grey[i] = greyLevel(bgr[at], bgr[at + 1], bgr[at + 2]);
  return grey;
}

/** Slope and constant, for each pixel or 2 x 2 of them, of the mask's level as a function of grey. */
function linearFunctions(grey, mask, size, epsilon) {
  let side = size;
  if (size >= HALVED) {
    side = size >> 1;
    const halved = (plane) => resize(packed(plane, size, size), side, side, new Uint8Array(side * side));
    [grey, mask] = [halved(grey), halved(mask)];
  }
  const count = side * side;
  const products = new Float32Array(count);
  const squares = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    products[i] = grey[i] * mask[i];
    squares[i] = grey[i] * grey[i];
  }
  const means = (values) => boxMeans(values, side, side);
  const [meanGrey, meanMask, meanProduct, meanSquare] = [grey, mask, products, squares].map(means);
  const slope = new Float32Array(count);
  const constant = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const covariance = meanProduct[i] - meanGrey[i] * meanMask[i];
    const variance = meanSquare[i] - meanGrey[i] * meanGrey[i];
    slope[i] = covariance / (variance + epsilon);
    constant[i] = meanMask[i] - slope[i] * meanGrey[i];
  }
  return { slope: means(slope), constant: means(constant), side };
}

/** The rows of a square of floats enlarged bilinearly; each is valid until the next is asked for. */
function enlargedRows(values, side, width, height) {
  const [columns, columnRests] = positions(side, width, "columns").map((array) => array.slice());
  const [rows, rowRests] = positions(side, height, "rows").map((array) => array.slice());
  const across = (row) => {
    const line = new Float32Array(width);
    const start = row * side;
    for (let x = 0; x < width; x++) {
      const at = start + columns[x];
      line[x] = values[at] + (values[Math.min(at + 1, values.length - 1)] - values[at]) * columnRests[x];
    }
    return line;
  };
  const line = new Float32Array(width);
  let [upperRow, upper, lowerRow, lower] = [-1, null, -1, null];
  return (y) => {
    const first = rows[y];
    const second = Math.min(first + 1, side - 1);
    if (first !== upperRow) [upperRow, upper] = [first, first === lowerRow ? lower : across(first)];
    if (second !== lowerRow) [lowerRow, lower] = [second, second === upperRow ? upper : across(second)];
    const w = rowRests[y];
    for (let x = 0; x < width; x++) line[x] = upper[x] + (lower[x] - upper[x]) * w;
    return line;
  };
}
