/** What a buffer of another length than described probably holds, for the messages of errors. */

import constants from "./constants.js";
import { ImageType } from "./image_type.js";

const { STEP_ALIGNMENTS, HEIGHT_ALIGNMENTS, MOST_NAMED } = constants.likely_layout;

const distinct = (values) => [...new Set(values)];

function aligned(value, alignments) {
  return distinct(alignments.map((alignment) => Math.ceil(value / alignment) * alignment));
}

/**
 * The stride above `stride` with which rows fill a buffer exactly; null where no usual one does.
 * @param {number} size bytes of the buffer
 * @param {number} rows how many rows it should hold
 * @param {number} row bytes of a row without padding
 * @param {number} stride bytes from one row to the next, as described
 */
export function likelyStride(size, rows, row, stride) {
  const fits = (wider) => wider > stride && (size === wider * rows || size === wider * (rows - 1) + row);
  return aligned(row, STEP_ALIGNMENTS).find(fits) ?? null;
}

/**
 * What a 4:2:0 buffer of `size` bytes probably holds, as a part of a sentence; empty if unknown.
 * @param {number} size bytes of the buffer
 * @param {number} stride of the luma rows, as described
 */
export function likelyLayout(size, width, height, stride, imageType) {
  const planar = imageType === ImageType.I420;
  const found = [...strides(size, width, height, stride, planar), ...planes(size, width, height, stride, planar)];
  return distinct(found).slice(0, MOST_NAMED).join(", or ");
}

/** One stride for all rows, the last row's padding there or not. */
function strides(size, width, height, stride, planar) {
  const chromaRows = (height + 1) >> 1;
  const half = (width + 1) >> 1;
  const rows = height + chromaRows;
  const mean = Math.floor(size / rows);
  const nearest = [mean, mean + 1, Math.floor(size / Math.max(rows - 1, 1))];
  const candidates = distinct([...nearest, ...aligned(width, STEP_ALIGNMENTS)]);
  candidates.sort((a, b) => (a % 4 > 0) - (b % 4 > 0) || a - b);
  const fits = (candidate) => {
    const chromaStride = planar ? (candidate + 1) >> 1 : candidate;
    const most = candidate * height + chromaStride * chromaRows * (planar ? 2 : 1);
    const least = most - chromaStride + (planar ? half : 2 * half);
    return candidate >= width && candidate !== stride && (size === least || size === most);
  };
  return candidates.filter(fits).map((candidate) => `stride=${candidate}`);
}

/** A stride for each plane, as GStreamer has them, or planes of more rows than the picture's. */
function planes(size, width, height, stride, planar) {
  const half = (width + 1) >> 1;
  const found = [];
  for (const lumaStride of distinct([stride, ...aligned(width, STEP_ALIGNMENTS)])) {
    const chromaStrides = planar ? [(lumaStride + 1) >> 1, ...aligned(half, STEP_ALIGNMENTS)] : [lumaStride];
    for (const rows of [height, ...aligned(height, HEIGHT_ALIGNMENTS)])
      for (const chromaStride of chromaStrides) {
        const plane = chromaStride * ((rows + 1) >> 1);
        const start = lumaStride * rows;
        if (start + plane * (planar ? 2 : 1) !== size) continue;
        const offsets = planar ? [0, start, start + plane] : [0, start];
        const each = planar ? [lumaStride, chromaStride, chromaStride] : [lumaStride, chromaStride];
        found.push(`planes with offsets=[${offsets.join(", ")}], strides=[${each.join(", ")}]`);
      }
  }
  return found;
}
