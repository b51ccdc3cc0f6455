/** From the detector's output to detections: boxes in frame pixels with scores. */

import constants from "./constants.js";
import { roundEven } from "./geometry.js";

const {
  NMS_IOU,
  SAME_PERSON,
  MAX_PERSONS,
  LOG_RANGE,
  SUPPORT_WEIGHT,
  CERTAIN_SCORE,
  SUPPORT_QUANTILE,
  MIN_SIDE,
} = constants.detections;

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

/**
 * Everything that may be a person; the acceptance rules decide.
 * @param {Float32Array} shares a cell: score 0-1, share of person 0-1
 * @param {Float32Array} distances a cell: logarithms of the distances from its centre to the box's left, top,
 *   right and bottom
 * @param {{columns: number, rows: number, stride: number, unit: number}} grid stride: input pixels a cell;
 *   unit: input pixels that a logarithm of 0 stands for
 * @param fit how the frame lies in the input
 * @returns `[{box, score}]`, best first, in frame pixels, cut to the frame
 */
export function decodeDetections(shares, distances, grid, fit, frameWidth, frameHeight, minCellScore) {
  const { columns, rows, stride, unit } = grid;
  const least = Math.min(MIN_SIDE, frameHeight / 2, frameWidth / 2);
  const found = [];
  for (let row = 0, cell = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, cell++) {
      const score = shares[2 * cell];
      if (score < minCellScore) continue;
      const [left, top, right, bottom] = [0, 1, 2, 3].map(
        (side) => Math.exp(clamp(distances[4 * cell + side], ...LOG_RANGE)) * unit,
      );
      const x = (column + 0.5) * stride;
      const y = (row + 0.5) * stride;
      const square = [x - left, y - top, x + right, y + bottom];
      const box = square.map((at, i) =>
        i % 2 === 0
          ? clamp((at - fit.left) / fit.scaleX, 0, frameWidth)
          : clamp((at - fit.top) / fit.scaleY, 0, frameHeight),
      );
      if (Math.min(box[2] - box[0], box[3] - box[1]) < least) continue;
      found.push({ box, score, cells: square.map((at) => at / stride) });
    }
  const kept = suppressed(found);
  return withoutDuplicates(
    kept.map(({ box, score, cells }) => {
      const shown = support(shares, columns, rows, cells);
      return { box, score: score + SUPPORT_WEIGHT * (shown - score) };
    }),
    CERTAIN_SCORE,
  );
}

/** Greedy non-maximum suppression, best first. */
function suppressed(found) {
  const order = [...found].sort((a, b) => b.score - a.score);
  const kept = [];
  for (const one of order) {
    if (kept.length === MAX_PERSONS) break;
    if (kept.every((better) => iou(better.box, one.box) <= NMS_IOU)) kept.push(one);
  }
  return kept;
}

const areaOfBox = (box) => (box[2] - box[0]) * (box[3] - box[1]);

function sharedArea(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}

function iou(a, b) {
  const both = sharedArea(a, b);
  return both / (areaOfBox(a) + areaOfBox(b) - both);
}

/** How much of a person the coarse mask shows in a box: the value that a fifth of its cells exceed. */
function support(shares, columns, rows, cells) {
  const edges = cells.map(roundEven);
  const x0 = clamp(edges[0], 0, columns - 1);
  const y0 = clamp(edges[1], 0, rows - 1);
  const x1 = Math.min(Math.max(edges[2], x0 + 1), columns);
  const y1 = Math.min(Math.max(edges[3], y0 + 1), rows);
  const inside = new Float32Array((x1 - x0) * (y1 - y0));
  for (let y = y0, i = 0; y < y1; y++)
    for (let x = x0; x < x1; x++, i++) inside[i] = shares[2 * (y * columns + x) + 1];
  inside.sort();
  return inside[Math.trunc(SUPPORT_QUANTILE * (inside.length - 1))];
}

/** One detection a person, best first. */
export function distinctPersons(persons) {
  return withoutDuplicates(persons, 0);
}

/** Best first, without duplicates of a detection that scores `certain` or more. */
function withoutDuplicates(persons, certain) {
  const kept = [];
  for (const person of [...persons].sort((a, b) => b.score - a.score)) {
    const sure = kept.filter((other) => other.score >= certain);
    if (sure.every((other) => shareInside(person.box, other.box) <= SAME_PERSON)) kept.push(person);
  }
  return kept;
}

/** How much of the smaller box lies inside the larger one, 0-1. */
function shareInside(a, b) {
  const smaller = Math.min(areaOfBox(a), areaOfBox(b));
  return smaller ? sharedArea(a, b) / smaller : 1;
}
