/**
 * Rectangles of a frame, and how a frame lies in a model's square input.
 *
 * A region `{x0, y0, x1, y1}` is half-open: columns x0 .. x1 - 1, rows y0 .. y1 - 1. A box is
 * `[x_min, y_min, x_max, y_max]`. All are in frame pixels.
 */

export const widthOf = (region) => region.x1 - region.x0;
export const heightOf = (region) => region.y1 - region.y0;
export const areaOf = (region) => Math.max(widthOf(region), 0) * Math.max(heightOf(region), 0);

export function sameRegion(a, b) {
  return a.x0 === b.x0 && a.y0 === b.y0 && a.x1 === b.x1 && a.y1 === b.y1;
}

export function union(a, b) {
  return {
    x0: Math.min(a.x0, b.x0),
    y0: Math.min(a.y0, b.y0),
    x1: Math.max(a.x1, b.x1),
    y1: Math.max(a.y1, b.y1),
  };
}

export function intersectionArea(a, b) {
  const width = Math.min(a.x1, b.x1) - Math.max(a.x0, b.x0);
  const height = Math.min(a.y1, b.y1) - Math.max(a.y0, b.y0);
  return Math.max(width, 0) * Math.max(height, 0);
}

/** Intersection over union, 0-1. */
export function overlap(a, b) {
  const both = intersectionArea(a, b);
  return both / Math.max(areaOf(a) + areaOf(b) - both, 1);
}

export function contains(region, box) {
  return region.x0 <= box[0] && region.y0 <= box[1] && region.x1 >= box[2] && region.y1 >= box[3];
}

/** Nearest whole number, halves to the even one, as Python and OpenCV round. */
export function roundEven(x) {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** How a frame fits, centred, into a square of `size`: `square = frame * scale + offset`. */
export function letterboxGeometry(frameWidth, frameHeight, size) {
  const scale = size / Math.max(frameHeight, frameWidth);
  // Even sizes, because a 4:2:0 frame is resized plane by plane.
  const fit = (side) => Math.min(Math.max(roundEven((side * scale) / 2) * 2, 2), size);
  const width = fit(frameWidth);
  const height = fit(frameHeight);
  return {
    scaleX: width / frameWidth,
    scaleY: height / frameHeight,
    left: Math.floor((size - width) / 2),
    top: Math.floor((size - height) / 2),
    width,
    height,
  };
}
