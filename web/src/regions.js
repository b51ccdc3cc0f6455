/** From person boxes to the regions of the frame that the segmenter sees. */

import constants from "./constants.js";
import { areaOf, contains, heightOf, intersectionArea, sameRegion, union, widthOf } from "./geometry.js";
import { markedBox } from "./components.js";

const { MARGIN, MAX_REGIONS, MAX_STRETCH, MERGE_OVERLAP, MAX_MERGED_ASPECT, MERGE_INSIDE, CUT } =
  constants.regions;

/** Grow an interval to `wanted` inside 0 .. limit, sliding off an edge it meets. */
function widen(low, high, wanted, limit) {
  const missing = Math.min(wanted, limit) - (high - low);
  if (missing <= 0) return [low, high];
  low -= missing / 2;
  high += missing / 2;
  if (low < 0) [low, high] = [0, high - low];
  if (high > limit) [low, high] = [low - (high - limit), limit];
  return [Math.max(low, 0), high];
}

// Even starts and ends keep a region on whole chroma samples of a 4:2:0 frame.
function snap(low, high, limit) {
  let start = Math.floor(low / 2) * 2;
  const end = Math.min(Math.ceil(high / 2) * 2, limit);
  start = Math.max(Math.floor(Math.min(start, limit - 1) / 2) * 2, 0);
  return [start, Math.max(end, Math.min(start + 2, limit))];
}

/** The region to segment for one person's box, with a margin, cut to the frame, on even coordinates. */
export function regionAround(box, frameWidth, frameHeight, margin = MARGIN) {
  let [x0, y0, x1, y1] = box;
  const padX = (x1 - x0) * margin;
  const padY = (y1 - y0) * margin;
  [x0, x1] = [Math.max(x0 - padX, 0), Math.min(x1 + padX, frameWidth)];
  [y0, y1] = [Math.max(y0 - padY, 0), Math.min(y1 + padY, frameHeight)];
  [x0, x1] = widen(x0, x1, (y1 - y0) / MAX_STRETCH, frameWidth);
  [y0, y1] = widen(y0, y1, (x1 - x0) / MAX_STRETCH, frameHeight);
  [x0, x1] = snap(x0, x1, frameWidth);
  [y0, y1] = snap(y0, y1, frameHeight);
  return { x0, y0, x1, y1 };
}

/**
 * The region with more room, where one of its sides cuts through what the mask marks.
 * @param {Uint8Array} mask `size * size`, 0-255
 */
export function grown(region, mask, size, frameWidth, frameHeight) {
  const last = size - 1;
  const share = (start, step) => {
    let marked = 0;
    for (let i = 0, at = start; i < size; i++, at += step) marked += mask[at] >= 128;
    return marked / size;
  };
  const cut =
    (region.x0 > 0 && share(0, size) > CUT) ||
    (region.x1 < frameWidth && share(last, size) > CUT) ||
    (region.y0 > 0 && share(0, 1) > CUT) ||
    (region.y1 < frameHeight && share(last * size, 1) > CUT);
  if (!cut) return region;
  const box = markedBox(mask, size, size, 128);
  const scaleX = widthOf(region) / size;
  const scaleY = heightOf(region) / size;
  const wanted = regionAround(
    [
      region.x0 + box.x0 * scaleX,
      region.y0 + box.y0 * scaleY,
      region.x0 + box.x1 * scaleX,
      region.y0 + box.y1 * scaleY,
    ],
    frameWidth,
    frameHeight,
  );
  const both = union(region, wanted);
  return sameRegion(both, region) ? region : both;
}

function belongTogether(a, b) {
  const smaller = Math.min(areaOf(a), areaOf(b));
  const share = smaller ? intersectionArea(a, b) / smaller : 1;
  if (share < MERGE_OVERLAP) return false;
  const both = union(a, b);
  const aspect = Math.max(widthOf(both) / heightOf(both), heightOf(both) / widthOf(both));
  return share > MERGE_INSIDE || aspect <= MAX_MERGED_ASPECT;
}

function merged(regions, i, j) {
  return [union(regions[i], regions[j]), ...regions.filter((_, k) => k !== i && k !== j)];
}

function mergeOnce(regions) {
  for (let i = 0; i < regions.length; i++)
    for (let j = i + 1; j < regions.length; j++)
      if (belongTogether(regions[i], regions[j])) return merged(regions, i, j);
  return null;
}

function mergeNearest(regions) {
  let best = [0, 1];
  let least = Infinity;
  for (let i = 0; i < regions.length; i++)
    for (let j = i + 1; j < regions.length; j++) {
      const added = areaOf(union(regions[i], regions[j])) - areaOf(regions[i]) - areaOf(regions[j]);
      if (added < least) [least, best] = [added, [i, j]];
    }
  return merged(regions, ...best);
}

/** The regions to segment, each with the people in it: `[{region, members}]`, at most `MAX_REGIONS`. */
export function groupPersons(persons, frameWidth, frameHeight, margin) {
  let regions = persons.map((person) => regionAround(person.box, frameWidth, frameHeight, margin));
  for (let next = mergeOnce(regions); next !== null; next = mergeOnce(regions)) regions = next;
  while (regions.length > MAX_REGIONS) regions = mergeNearest(regions);
  const groups = regions.map((region) => ({ region, members: [] }));
  for (const person of persons)
    groups.find(({ region }) => contains(region, person.box))?.members.push(person);
  return groups;
}
