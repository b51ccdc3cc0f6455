/**
 * Temporal smoothing: where the picture stays, the mask stays; where it moves, the mask is this frame's.
 */

import { forEachBlurredRow } from "./blur.js";
import constants from "./constants.js";
import { greyLevel } from "./frame.js";
import { heightOf, roundEven, sameRegion, widthOf } from "./geometry.js";
import { packed, resize } from "./resize.js";
import { Scratch } from "./scratch.js";

const { STEADY, STEADY_GAIN, GRAIN, LEFT_IN_MEANS, SETTLED } = constants.temporal;
const { QUIET, MOVING, QUIET_LEVELS, MOVING_LEVELS, SIDE } = constants.temporal;

const scratch = new Scratch();

const changingTables = new Map();

/** By how many levels the mask has changed: the new one's share, 0-255, where the picture stays. */
function changingTable(noise) {
  let table = changingTables.get(noise);
  if (!table) {
    // Grain changes the mask the more, the stronger it is, but not from one end to the other.
    const held = Math.min((GRAIN / Math.max(noise, 1)) ** 2, 1);
    const share = (change) => STEADY_GAIN * change + 255 * STEADY;
    table = Uint8Array.from({ length: 256 }, (_, change) =>
      change <= SETTLED
        ? 255
        : roundEven(Math.max(held * share(change), (share(255) * (change - 128)) / 127)),
    );
    changingTables.set(noise, table);
  }
  return table;
}

const movingTables = new Map();

/** How surely a change of so many levels is more than the camera's noise, 0-255. */
function movingTable(noise, side) {
  const key = `${noise} ${side}`;
  let table = movingTables.get(key);
  if (!table) {
    const share = Math.min(side / SIDE, 1);
    const quiet = (QUIET * noise + QUIET_LEVELS) * share;
    const moving = (MOVING * noise + MOVING_LEVELS) * share;
    table = Uint8Array.from({ length: 256 }, (_, level) =>
      Math.trunc(Math.min(Math.max((level - quiet) * (255 / (moving - quiet)), 0), 255)),
    );
    movingTables.set(key, table);
  }
  return table;
}

/** Means over the surroundings of each pixel of half the size. */
function means(bgr, size, name) {
  const half = size >> 1;
  const small = resize(packed(bgr, size, size, 3), half, half, new Uint8Array(half * half * 3), [0, 1, 2]);
  const grey = new Uint8Array(half * half);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3)
    grey[i] = greyLevel(small[at], small[at + 1], small[at + 2]);
  const out = scratch.take(name, half * half);
  forEachBlurredRow(packed(grey, half, half), (y, row) => out.set(row, y * half));
  return out;
}

/** Remembers one region's last picture and mask. */
export class TemporalSmoother {
  /** Levels of the last change of the picture that are the camera's. */
  noise = 0;
  #region = null;
  #bgr = new Uint8Array(0);
  #mask = new Uint8Array(0);

  forget() {
    this.noise = 0;
    this.#region = null;
  }

  /** Levels of noise beyond a camera's usual; 0 for none. */
  get grain() {
    return Math.max(this.noise - GRAIN, 0);
  }

  /**
   * The mask, smoothed by those before it.
   * @param {Uint8Array} bgr `size * size * 3`, the region as the segmenter saw it
   * @param {Uint8Array} mask `size * size`; changed in place
   * @param region where both lie in the frame; when it has moved, the past is moved along
   */
  smooth(bgr, mask, region, size) {
    if (this.#region !== null && this.#mask.length === mask.length) {
      const fresh = sameRegion(region, this.#region) ? null : this.#move(region, size);
      const share = this.#moving(bgr, size);
      const changing = changingTable(this.noise);
      const before = this.#mask;
      for (let i = 0; i < mask.length; i++) {
        const change = changing[Math.abs(mask[i] - before[i])];
        let fraction = change > share[i] ? change : share[i];
        if (fresh !== null && fresh[i] > fraction) fraction = fresh[i];
        // Each product rounded, as OpenCV's multiply does.
        const sum = ((mask[i] * fraction + 127) / 255 | 0) + ((before[i] * (255 - fraction) + 127) / 255 | 0);
        mask[i] = sum > 255 ? 255 : sum;
      }
    }
    this.#region = region;
    // Copies: both lie in memory that the next frame uses again.
    if (this.#bgr.length !== bgr.length) this.#bgr = new Uint8Array(bgr.length);
    if (this.#mask.length !== mask.length) this.#mask = new Uint8Array(mask.length);
    this.#bgr.set(bgr);
    this.#mask.set(mask);
    return mask;
  }

  /** How surely the picture has changed at each pixel, 0-255. */
  #moving(bgr, size) {
    const half = size >> 1;
    const before = this.#bgr;
    const row = size * 3;
    const change = scratch.take("change", half * half);
    const mean = (at) =>
      (Math.abs(bgr[at] - before[at]) +
        Math.abs(bgr[at + 3] - before[at + 3]) +
        Math.abs(bgr[at + row] - before[at + row]) +
        Math.abs(bgr[at + row + 3] - before[at + row + 3]) +
        2) >>
      2;
    for (let y = 0, to = 0; y < half; y++)
      for (let x = 0; x < half; x++, to++) {
        const at = 2 * y * row + 6 * x;
        change[to] = greyLevel(mean(at), mean(at + 1), mean(at + 2));
      }
    const blurred = scratch.take("blurred", half * half);
    forEachBlurredRow(packed(change, half, half), (y, means) => blurred.set(means, y * half));
    // A quarter of the pixels stay below the camera's noise though most of a person may move.
    const counts = new Int32Array(256);
    let some = 0;
    for (let y = 0; y < half; y += 2) for (let x = 0; x < half; x += 2, some++) counts[blurred[y * half + x]]++;
    const rank = some >> 2;
    this.noise = 0;
    for (let seen = counts[0]; seen <= rank; ) seen += counts[++this.noise];
    const table = movingTable(this.noise, size);
    for (let i = 0; i < blurred.length; i++) blurred[i] = table[blurred[i]];
    if (this.noise > GRAIN) {
      // Strong grain hides movement from a mean of changes, but is itself lost in a change of means.
      const now = means(bgr, size, "means now");
      const past = means(before, size, "means before");
      const ofMeans = movingTable(this.noise * LEFT_IN_MEANS, size);
      for (let i = 0; i < blurred.length; i++)
        blurred[i] = Math.max(blurred[i], ofMeans[Math.abs(now[i] - past[i])]);
    }
    return resize(packed(blurred, half, half), size, size, scratch.take("share", size * size));
  }

  /** Lay what is remembered where the new region has it; 255 where nothing was, else 0. */
  #move(region, size) {
    const past = this.#region;
    const scaleX = widthOf(region) / widthOf(past);
    const scaleY = heightOf(region) / heightOf(past);
    const shiftX = ((region.x0 - past.x0) / widthOf(past)) * size + (scaleX - 1) / 2;
    const shiftY = ((region.y0 - past.y0) / heightOf(past)) * size + (scaleY - 1) / 2;
    const fresh = scratch.take("fresh", size * size);
    const bgr = new Uint8Array(this.#bgr.length);
    const mask = new Uint8Array(size * size);
    const last = size - 1;
    for (let y = 0, to = 0; y < size; y++) {
      const fromY = y * scaleY + shiftY;
      const top = Math.floor(fromY);
      const wy = fromY - top;
      for (let x = 0; x < size; x++, to++) {
        const fromX = x * scaleX + shiftX;
        const left = Math.floor(fromX);
        const wx = fromX - left;
        const weights = [(1 - wx) * (1 - wy), wx * (1 - wy), (1 - wx) * wy, wx * wy];
        let [inside, level, blue, green, red] = [0, 0, 0, 0, 0];
        for (let corner = 0; corner < 4; corner++) {
          const cx = left + (corner & 1);
          const cy = top + (corner >> 1);
          const weight = weights[corner];
          if (cx >= 0 && cx <= last && cy >= 0 && cy <= last) {
            inside += weight;
            level += weight * this.#mask[cy * size + cx];
          }
          const at = (Math.min(Math.max(cy, 0), last) * size + Math.min(Math.max(cx, 0), last)) * 3;
          blue += weight * this.#bgr[at];
          green += weight * this.#bgr[at + 1];
          red += weight * this.#bgr[at + 2];
        }
        fresh[to] = Math.round((1 - inside) * 255);
        mask[to] = Math.round(level);
        bgr[3 * to] = Math.round(blue);
        bgr[3 * to + 1] = Math.round(green);
        bgr[3 * to + 2] = Math.round(red);
      }
    }
    this.#bgr = bgr;
    this.#mask = mask;
    return fresh;
  }
}
