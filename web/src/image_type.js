import constants from "./constants.js";
import { InputError } from "./errors.js";

/** How the bytes of a frame are laid out, by name; the numbers are the Python package's. */
export const ImageType = Object.freeze(constants.types.ImageType);

const CHANNELS = constants.types.CHANNELS;
const NAMES = Object.fromEntries(Object.entries(ImageType).map(([name, number]) => [number, name]));

/** The layout's number, from itself or from its name. */
export function parseImageType(value) {
  const number = typeof value === "string" ? ImageType[value] : value;
  if (typeof number !== "number" || !(number in NAMES)) {
    const names = Object.keys(ImageType).map((name) => `ImageType.${name}`);
    throw new InputError(`imageType must be one of ${names.join(", ")}; got ${String(value)}`);
  }
  return number;
}

/** Bytes a pixel of the first plane: 3, 4, or 1 for the 4:2:0 layouts. */
export function channelsOf(imageType) {
  return CHANNELS[NAMES[imageType]];
}

export function nameOf(imageType) {
  return NAMES[imageType];
}

export function isYuv(imageType) {
  return channelsOf(imageType) === 1;
}
