/** Dark pictures made brighter before the networks see them. */

import constants from "./constants.js";
import { roundEven } from "./geometry.js";

const { BRIGHT, LIGHTS, MAX_GAIN, STEP } = constants.exposure;

/**
 * The table that brings a picture's lights to `BRIGHT`, or null for one that is bright as it is.
 * @param {Uint8Array} bgr `width * height * 3`
 * @returns {Uint8Array | null} a level for each of 256
 */
export function exposureTable(bgr, width, height) {
  const counts = new Int32Array(256);
  let size = 0;
  for (let y = 0; y < height; y += STEP)
    for (let x = 0; x < width; x += STEP, size++) {
      const at = (y * width + x) * 3;
      counts[Math.max(bgr[at], bgr[at + 1], bgr[at + 2])]++;
    }
  const rank = Math.trunc(size * (1 - LIGHTS));
  let light = 0;
  for (let seen = counts[0]; seen <= rank; ) seen += counts[++light];
  if (light >= BRIGHT) return null;
  const gain = Math.min(BRIGHT / Math.max(light, 1), MAX_GAIN);
  return Uint8Array.from({ length: 256 }, (_, level) => Math.min(roundEven(level * gain), 255));
}
