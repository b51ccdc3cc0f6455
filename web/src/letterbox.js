/** Fitting a whole frame into the detector's square input. */

import constants from "./constants.js";
import { exposureTable } from "./exposure.js";
import { letterboxGeometry } from "./geometry.js";

const { PADDING } = constants.letterbox;

/**
 * Write the frame, letterboxed and exposed, to the detector's input.
 * @param frame a `Frame`
 * @param {number} size side of the square
 * @param {Float32Array} input `size * size * 3`, BGR 0-255
 * @returns where the frame lies in it
 */
export function letterbox(frame, size, input) {
  const fit = letterboxGeometry(frame.width, frame.height, size);
  const bgr = frame.readBgr(frame.whole, fit.width, fit.height, "letterbox");
  const table = exposureTable(bgr, fit.width, fit.height);
  input.fill(PADDING);
  const row = fit.width * 3;
  for (let y = 0; y < fit.height; y++) {
    const to = ((fit.top + y) * size + fit.left) * 3;
    for (let x = 0; x < row; x++) {
      const level = bgr[y * row + x];
      input[to + x] = table === null ? level : table[level];
    }
  }
  return fit;
}
