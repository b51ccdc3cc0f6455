/** From the segmenter's probabilities to the mask of the frame. */

import { gaussianBlur, wideGaussianBlur } from "./blur.js";
import { markedBox } from "./components.js";
import constants from "./constants.js";
import { InputError } from "./errors.js";
import { heightOf, union, widthOf } from "./geometry.js";
import { REACH, refine } from "./refine.js";
import { crop, packed, resize } from "./resize.js";

const { CERTAIN, MAX_BLUR_SIGMA, DIRECT_SIGMA } = constants.mask;
const GAIN = 255 / (1 - 2 * CERTAIN);

/**
 * Probabilities in cells of 2 x 2 pixels to a mask of levels.
 * @param {Float32Array} cells `(size / 2) ** 2 * 4`, 0-1
 * @param {Uint8Array} mask `size * size`; written to
 */
export function cellsToMask(cells, mask, size) {
  const clamped = new Uint8ClampedArray(mask.buffer, mask.byteOffset, mask.length); // rounds halves to even
  const half = size / 2;
  for (let y = 0, at = 0; y < half; y++) {
    let upper = 2 * y * size;
    let lower = upper + size;
    for (let x = 0; x < half; x++) {
      clamped[upper++] = (cells[at++] - CERTAIN) * GAIN;
      clamped[upper++] = (cells[at++] - CERTAIN) * GAIN;
      clamped[lower++] = (cells[at++] - CERTAIN) * GAIN;
      clamped[lower++] = (cells[at++] - CERTAIN) * GAIN;
    }
  }
  return mask;
}

export function checkBlurSigma(sigma) {
  if (typeof sigma !== "number" || !(sigma >= 0 && sigma <= MAX_BLUR_SIGMA))
    throw new InputError(
      `blurSigma must be a number of pixels from 0 (no blur) to ${MAX_BLUR_SIGMA}, got ${String(sigma)}`,
    );
  return sigma;
}

/** Pixels to either side that a Gaussian reaches: to three standard deviations. */
const radiusOf = (sigma) => Math.ceil(3 * sigma - 0.5);

/**
 * Lay each region's mask where the region is, and blur the edges.
 *
 * Where regions meet, the highest value counts.
 * @param parts `[{region, mask, size, guide}]`: `size` is the mask's side, `guide` what its edges are to follow
 * @param {Uint8Array} out `width * height`, all 0; written to
 * @param scratch the parts' and the canvas' memory
 */
export function composeMask(parts, sigma, out, width, height, scratch) {
  const frame = packed(out, width, height);
  if (sigma === 0) {
    lay(parts, frame, 0, 0, scratch);
    return;
  }
  // Only the marked part and what the blur reaches round it: all else is 0 and stays so.
  const marked = markedRegion(parts);
  if (marked === null) return;
  const regions = parts.map((part) => part.region).reduce(union);
  // At least a pixel: a radius of 0 changes nothing, and needs no pass of its own.
  const reach = radiusOf(sigma);
  const canvas = spread(regions, reach, width, height);
  const sharp = packed(
    scratch.take("sharp", widthOf(canvas) * heightOf(canvas)),
    widthOf(canvas),
    heightOf(canvas),
  );
  sharp.data.fill(0);
  lay(parts, sharp, canvas.x0, canvas.y0, scratch);
  const seen = spread(marked, reach, width, height);
  const source = crop(sharp, moved(seen, -canvas.x0, -canvas.y0));
  const target = crop(frame, seen);
  if (sigma <= DIRECT_SIGMA) gaussianBlur(source, target, sigma, reach);
  else wideGaussianBlur(source, target, sigma, DIRECT_SIGMA);
}

function moved({ x0, y0, x1, y1 }, x, y) {
  return { x0: x0 + x, y0: y0 + y, x1: x1 + x, y1: y1 + y };
}

function spread({ x0, y0, x1, y1 }, reach, width, height) {
  return {
    x0: Math.max(x0 - reach, 0),
    y0: Math.max(y0 - reach, 0),
    x1: Math.min(x1 + reach, width),
    y1: Math.min(y1 + reach, height),
  };
}

/** The smallest region outside of which the parts, laid in the frame, are 0; null where they all are. */
function markedRegion(parts) {
  let marked = null;
  for (const { region, mask, size, guide } of parts) {
    const box = markedBox(mask, size, size);
    if (box === null) continue;
    const x = widthOf(region) / size;
    const y = heightOf(region) / size;
    // Interpolation carries a pixel half a pixel of the mask further.
    const reach = guide ? REACH : 0.5;
    const here = {
      x0: Math.max(Math.floor(region.x0 + (box.x0 - reach) * x), region.x0),
      y0: Math.max(Math.floor(region.y0 + (box.y0 - reach) * y), region.y0),
      x1: Math.min(Math.ceil(region.x0 + (box.x1 + reach) * x), region.x1),
      y1: Math.min(Math.ceil(region.y0 + (box.y1 + reach) * y), region.y1),
    };
    marked = marked === null ? here : union(marked, here);
  }
  return marked;
}

/** Write the parts to a canvas whose first pixel is the frame's at `(left, top)`. */
function lay(parts, canvas, left, top, scratch) {
  parts.forEach(({ region, mask, size, guide }, i) => {
    const width = widthOf(region);
    const height = heightOf(region);
    const full = scratch.take("part", width * height);
    if (guide) refine(mask, size, guide, full, width, height);
    else resize(packed(mask, size, size), width, height, full);
    const under = crop(canvas, moved(region, -left, -top));
    for (let y = 0; y < height; y++) {
      const start = under.offset + y * under.stride;
      const row = full.subarray(y * width, (y + 1) * width);
      if (i === 0) under.data.set(row, start);
      else for (let x = 0; x < width; x++) if (row[x] > under.data[start + x]) under.data[start + x] = row[x];
    }
  });
}
