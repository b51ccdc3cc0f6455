/** From a browser's picture to the bytes of a frame. Runs in the worker alone. */

import { InputError } from "./errors.js";
import { ImageType } from "./image_type.js";

let canvas = null;

/** Whatever can be drawn, as RGBA. */
function drawn(picture, width, height) {
  if (canvas === null || canvas.width !== width || canvas.height !== height)
    canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return { data, width, height, stride: 4 * width, imageType: ImageType.RGBA_8888 };
}

export function fromBitmap(bitmap) {
  return drawn(bitmap, bitmap.width, bitmap.height);
}

const FORMATS = {
  RGBA: ImageType.RGBA_8888,
  RGBX: ImageType.RGBA_8888,
  BGRA: ImageType.BGRA_8888,
  BGRX: ImageType.BGRA_8888,
  NV12: ImageType.NV12,
  I420: ImageType.I420,
};

// What our 4:2:0 layouts are read as; cameras leave the fields empty where they don't know.
const MATRICES = ["smpte170m", "bt470bg", null, undefined];

/** A video frame's own bytes, where they are in a layout of ours, else as RGBA. */
export async function fromVideoFrame(frame, scratch) {
  const { codedWidth, codedHeight, displayWidth, displayHeight } = frame;
  const { width, height } = frame.visibleRect ?? { width: codedWidth, height: codedHeight };
  const native = FORMATS[frame.format];
  if (native === undefined || width !== displayWidth || height !== displayHeight)
    return drawn(frame, displayWidth, displayHeight);
  const planar = frame.format === "NV12" || frame.format === "I420";
  const { matrix, fullRange } = frame.colorSpace;
  if (planar && (fullRange || !MATRICES.includes(matrix))) return drawn(frame, width, height);
  const even = width + (width & 1);
  const half = (height + 1) >> 1;
  const stride = planar ? even : 4 * width;
  const layout = [{ offset: 0, stride }];
  if (frame.format === "NV12") layout.push({ offset: even * height, stride: even });
  if (frame.format === "I420")
    for (const part of [0, 1])
      layout.push({ offset: even * height + (part * even * half) / 2, stride: even / 2 });
  const data = scratch.take("video frame", planar ? even * (height + half) : stride * height);
  try {
    await frame.copyTo(data, { layout });
  } catch (error) {
    throw new InputError(`the video frame can't be read: ${error.message}`, { cause: error });
  }
  return { data, width, height, stride, imageType: native };
}
