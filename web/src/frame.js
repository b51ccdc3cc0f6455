/**
 * Any `ImageType` to BGR, at the size that is wanted rather than the frame's.
 *
 * 4:2:0 frames are BT.601, limited range, as in the Python package.
 */

import constants from "./constants.js";
import { ImageTooLargeError, InputError } from "./errors.js";
import { heightOf, roundEven, widthOf } from "./geometry.js";
import { ImageType, channelsOf, isYuv, nameOf, parseImageType } from "./image_type.js";
import { likelyLayout, likelyStride } from "./likely_layout.js";
import { areaMeans, crop, resize } from "./resize.js";
import { Scratch } from "./scratch.js";

const { MAX_SIDE, YUV_TO_BGR, Y_GAIN } = constants.pixel_format;
const MAX_INT32 = 2 ** 31 - 1;

// In 1024ths, rounded, and half a level on top: what OpenCV's transform does for 8 bits.
const FIXED_YUV_TO_BGR = Int32Array.from(
  YUV_TO_BGR.flatMap(([y, u, v, offset]) => [y, u, v, offset + 0.5]),
  (weight) => roundEven(weight * 1024),
);

// Which channels of a packed pixel are blue, green and red.
const BGR_ORDER = {
  [ImageType.BGR_888]: [0, 1, 2],
  [ImageType.RGB_888]: [2, 1, 0],
  [ImageType.RGBA_8888]: [2, 1, 0],
  [ImageType.BGRA_8888]: [0, 1, 2],
};

// Where the resized chroma planes have U and V, and how far it is from sample to sample.
const CHROMA = {
  [ImageType.I420]: (u, v) => [u, v, 1],
  [ImageType.NV12]: (pairs) => [pairs, pairs.subarray(1), 2],
  [ImageType.YUV_420_888]: (pairs) => [pairs.subarray(1), pairs, 2],
};

/** A checked frame. Its planes are views of the caller's memory. */
export class Frame {
  #scratch;

  constructor(width, height, imageType, planes, scratch) {
    this.width = width;
    this.height = height;
    this.imageType = imageType;
    this.planes = planes;
    this.#scratch = scratch;
  }

  get whole() {
    return { x0: 0, y0: 0, x1: this.width, y1: this.height };
  }

  /**
   * A region as BGR, resized.
   * @param region inside the frame; for 4:2:0 frames it starts on even coordinates
   * @param {string} name of the scratch memory that holds the result until the name's next use
   * @returns {Uint8Array} `width * height * 3`
   */
  readBgr(region, width, height, name, quick = false) {
    const bgr = this.#scratch.take(name, width * height * 3);
    const pixels = crop(this.planes[0], region);
    if (!isYuv(this.imageType)) return resize(pixels, width, height, bgr, BGR_ORDER[this.imageType], quick);
    const half = {
      x0: region.x0 >> 1,
      y0: region.y0 >> 1,
      x1: (region.x1 + 1) >> 1,
      y1: (region.y1 + 1) >> 1,
    };
    const count = width * height;
    const y = resize(pixels, width, height, this.#scratch.take("y", count), [0], quick);
    // Chroma goes straight to the wanted size: its detail survives. Pairs stay pairs, as OpenCV takes them.
    const chroma = this.planes.slice(1).map((plane, i) => {
      const order = plane.step === 2 ? [0, 1] : [0];
      const memory = this.#scratch.take(`chroma ${i}`, count * plane.step);
      return resize(crop(plane, half), width, height, memory, order, quick);
    });
    const [u, v, step] = CHROMA[this.imageType](...chroma);
    const clamped = new Uint8ClampedArray(bgr.buffer, bgr.byteOffset, bgr.length);
    const m = FIXED_YUV_TO_BGR;
    for (let i = 0, to = 0; i < count; i++) {
      const luma = y[i];
      const cb = u[step * i];
      const cr = v[step * i];
      clamped[to++] = (m[0] * luma + m[1] * cb + m[2] * cr + m[3]) >> 10;
      clamped[to++] = (m[4] * luma + m[5] * cb + m[6] * cr + m[7]) >> 10;
      clamped[to++] = (m[8] * luma + m[9] * cb + m[10] * cr + m[11]) >> 10;
    }
    return bgr;
  }

  /**
   * A region's luma at the frame's own resolution.
   * @returns `{plane, gain, offset}`: `gain * luma + offset` is full-range grey
   */
  readLuma(region, name) {
    const pixels = crop(this.planes[0], region);
    if (isYuv(this.imageType)) return { plane: pixels, gain: Y_GAIN, offset: -16 * Y_GAIN };
    const width = widthOf(region);
    const height = heightOf(region);
    const grey = this.#scratch.take(name, width * height);
    const [b, g, r] = BGR_ORDER[this.imageType];
    for (let y = 0, to = 0; y < height; y++) {
      let at = pixels.offset + y * pixels.stride;
      for (let x = 0; x < width; x++, at += pixels.step)
        grey[to++] = greyLevel(pixels.data[at + b], pixels.data[at + g], pixels.data[at + r]);
    }
    const plane = { data: grey, offset: 0, stride: width, step: 1, width, height };
    return { plane, gain: 1, offset: 0 };
  }

  /**
   * Means of a coarse grid's cells, of the frame's luma or green, each from a few samples.
   * @param {number} samples each way, in a cell
   * @returns {Uint8Array} `rows * columns`
   */
  cells(rows, columns, samples) {
    const down = Math.max(Math.floor(this.height / (rows * samples)), 1);
    const across = Math.max(Math.floor(this.width / (columns * samples)), 1);
    const plane = this.planes[0];
    const channel = isYuv(this.imageType) ? 0 : 1;
    const found = [];
    let lines = 0;
    for (let y = down >> 1; y < this.height; y += down, lines++)
      for (let x = across >> 1; x < this.width; x += across)
        found.push(plane.data[plane.offset + y * plane.stride + x * plane.step + channel]);
    return Uint8Array.from(areaMeans(found, found.length / lines, lines, columns, rows), roundEven);
  }
}

/** ITU-R BT.601 luma of a full-range pixel, in OpenCV's fixed point. */
export function greyLevel(blue, green, red) {
  return (blue * 3735 + green * 19235 + red * 9798 + 16384) >> 15;
}

function whole(name, value, least) {
  if (typeof value !== "number" || !Number.isInteger(value))
    throw new InputError(`${name} must be a whole number, got ${String(value)}`);
  if (value < least || value > MAX_INT32)
    throw new InputError(`${name} must be from ${least} to ${MAX_INT32}, got ${value}`);
  return value;
}

/** The bytes of an array buffer or of a view on one, not copied. */
export function bytesOf(data) {
  if (data instanceof Uint8Array) return data;
  if (data instanceof Uint8ClampedArray || data instanceof DataView)
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const shared = typeof SharedArrayBuffer !== "undefined" && data instanceof SharedArrayBuffer;
  if (data instanceof ArrayBuffer || shared) return new Uint8Array(data);
  const kind = data?.constructor?.name ?? String(data);
  throw new InputError(
    `data must hold bytes (Uint8Array, Uint8ClampedArray, DataView or ArrayBuffer), got ${kind}`,
  );
}

/** Refuse a picture by its size alone, before its pixels are looked at. */
export function checkSize(width, height, maxPixels) {
  const size = `the frame is ${width} x ${height}`;
  if (width * height > maxPixels)
    throw new ImageTooLargeError(
      `${size}, ${width * height} pixels; at most ${maxPixels} are accepted: scale it down, or raise maxPixels`,
    );
  if (Math.max(width, height) > MAX_SIDE)
    throw new ImageTooLargeError(
      `${size}; at most ${MAX_SIDE} pixels a side are accepted: scale it down`,
    );
}

/**
 * Check the description of a frame in memory.
 * @param given `{data, width, height, stride, imageType}`; a stride of 0 means no padding
 * @returns the same with its numbers filled in, and `needed`, the bytes that it takes: `data` may lack the last
 */
export function checkDescription(given, maxPixels) {
  const imageType = parseImageType(given.imageType ?? ImageType.RGBA_8888);
  const width = whole("width", given.width, 1);
  const height = whole("height", given.height, 1);
  checkSize(width, height, maxPixels);
  const row = width * channelsOf(imageType);
  const stride = whole("stride", given.stride ?? 0, 0) || row;
  if (stride < row)
    throw new InputError(
      `stride is ${stride} bytes, but a row of ${width} pixels with ${channelsOf(imageType)} bytes each takes ${row}`,
    );
  const data = bytesOf(given.data);
  const needed = stride * (height - 1) + row;
  if (data.length < needed)
    throw new InputError(
      `data holds ${data.length} bytes, but ${height} rows of stride ${stride} take ${needed}`,
    );
  const frame = { data, width, height, stride, imageType };
  if (isYuv(imageType)) return { ...frame, needed: bytesOfPlanes(frame) };
  checkPackedLength(frame, row);
  return { ...frame, needed };
}

const cutAt = (bytes) => `if the bytes behind the picture are none of it, pass the first ${bytes} bytes alone`;

/** Refuse a packed buffer as long as rows of a wider stride; other bytes behind it are ignored. */
function checkPackedLength({ data, height, stride }, row) {
  const most = stride * height;
  const likely = likelyStride(data.length, height, row, stride);
  if (data.length > most && likely !== null)
    throw new InputError(
      `the buffer holds ${data.length} bytes, but ${height} rows of stride ${stride} take ${most}; its length ` +
        `fits stride=${likely}; ${cutAt(most)}`,
    );
}

/** The bytes of a 4:2:0 frame, up to its last sample. One of another length is refused: its chroma is elsewhere. */
function bytesOfPlanes({ data, width, height, stride, imageType }) {
  const halfWidth = (width + 1) >> 1;
  const halfHeight = (height + 1) >> 1;
  const planar = imageType === ImageType.I420;
  if (!planar && stride < 2 * halfWidth)
    throw new InputError(
      `stride is ${stride} bytes, but a chroma row of ${halfWidth} pairs takes ${2 * halfWidth}`,
    );
  const rowOf = planar ? halfWidth : 2 * halfWidth;
  const chromaStride = planar ? (stride + 1) >> 1 : stride;
  const most = stride * height + chromaStride * halfHeight * (planar ? 2 : 1);
  const needed = most - chromaStride + rowOf;
  const size = data.length;
  // Of pairs the very last byte may be missing: see copyFrame().
  if (size >= needed - (planar ? 0 : 1) && size <= most) return needed;
  const likely = likelyLayout(size, width, height, stride, imageType);
  const parts = [
    `the buffer holds ${size} bytes, but a ${width} x ${height} ${nameOf(imageType)} picture of stride ${stride} ` +
      `takes ${size < needed ? needed : most}`,
  ];
  if (likely) parts.push(`its length fits ${likely}`);
  if (size > most) parts.push(cutAt(most));
  throw new InputError(parts.join("; "));
}

/**
 * Copy a checked frame's bytes.
 *
 * Android's plane of V ends with the last V. Who appends it to the luma has all of NV21 but the last U. It gets the
 * value of the pixel beside it.
 * @param {Uint8Array} into `needed` bytes
 */
export function copyFrame({ data, width, height, stride, needed }, into) {
  into.set(data.subarray(0, needed));
  if (data.length >= needed) return;
  const back = width > 2 ? 2 : stride; // to the left, or to the pixel above
  const beside = needed - 1 - back;
  into[needed - 1] = beside >= stride * height ? into[beside] : 128; // 128: no colour
}

/** A frame from a checked description; nothing is copied. */
export function openFrame({ data, width, height, stride, imageType }, scratch = new Scratch()) {
  const step = channelsOf(imageType);
  const first = { data, offset: 0, stride, step, width, height };
  const planes = [first];
  if (isYuv(imageType)) {
    const half = { data, width: (width + 1) >> 1, height: (height + 1) >> 1 };
    const start = stride * height;
    if (imageType === ImageType.I420) {
      const halfStride = (stride + 1) >> 1;
      const u = { ...half, offset: start, stride: halfStride, step: 1 };
      planes.push(u, { ...u, offset: start + halfStride * half.height });
    } else {
      planes.push({ ...half, offset: start, stride, step: 2 });
    }
  }
  return new Frame(width, height, imageType, planes, scratch);
}
