/** What a stream carries from frame to frame: where the people are, and when to detect again. */

import { takePieces } from "./components.js";
import constants from "./constants.js";
import { areaOf, contains, heightOf, intersectionArea, overlap, widthOf } from "./geometry.js";
import { groupPersons, regionAround } from "./regions.js";
import { TemporalSmoother } from "./temporal.js";

const {
  CHECK_EVERY,
  EMPTY_CHECK_EVERY,
  FORGIVEN_CHECKS,
  STIR_CHECKS,
  CELLS,
  SPECK,
  MIN_FILL,
  SHRUNK,
  TIGHT,
  LOOSE,
  SAME,
} = constants.stream;
const { GRID, CELL_SAMPLES, STIR_LEVELS, STIR_NOISE, STIR_CELLS, CUT_LEVELS, CUT_SHARE } = constants.motion;
const { MARKED } = constants.acceptance;
const { MAX_REGIONS } = constants.regions;

function count(values, holds) {
  return values.reduce((sum, value) => sum + (holds(value) ? 1 : 0), 0);
}

/** What a mask covers: its box and area in frame pixels, its pieces, and the region's sides it reaches. */
function extentOf(mask, size, region, frameWidth, frameHeight) {
  const step = Math.floor(size / CELLS);
  const start = step >> 1;
  const side = Math.ceil((size - start) / step);
  const cells = new Uint8Array(side * side);
  for (let y = 0, to = 0; y < side; y++)
    for (let x = 0; x < side; x++, to++)
      cells[to] = mask[(start + y * step) * size + start + x * step] >= MARKED;
  const pieces = takePieces(cells, side, side);
  const largest = Math.max(0, ...pieces.map((piece) => piece.area));
  if (largest < MIN_FILL * side * side) return null;
  const followed = pieces.filter((piece) => piece.area >= SPECK * largest);
  const left = Math.min(...followed.map((piece) => piece.x0));
  const top = Math.min(...followed.map((piece) => piece.y0));
  const right = Math.max(...followed.map((piece) => piece.x1));
  const bottom = Math.max(...followed.map((piece) => piece.y1));
  const x = widthOf(region) / side;
  const y = heightOf(region) / side;
  return {
    box: [region.x0 + left * x, region.y0 + top * y, region.x0 + right * x, region.y0 + bottom * y],
    area: followed.reduce((sum, piece) => sum + piece.area, 0) * x * y,
    pieces: followed.length,
    touches: [
      left === 0 && region.x0 > 0,
      top === 0 && region.y0 > 0,
      right === side && region.x1 < frameWidth,
      bottom === side && region.y1 < frameHeight,
    ],
  };
}

/** The region for the next frame: the same, unless the mask comes near its edge or leaves it empty. */
function followed(region, box, frameWidth, frameHeight) {
  const padX = (box[2] - box[0]) * TIGHT;
  const padY = (box[3] - box[1]) * TIGHT;
  const roomy =
    (region.x0 === 0 || box[0] - padX >= region.x0) &&
    (region.y0 === 0 || box[1] - padY >= region.y0) &&
    (region.x1 === frameWidth || box[2] + padX <= region.x1) &&
    (region.y1 === frameHeight || box[3] + padY <= region.y1);
  if (roomy && (box[2] - box[0]) * (box[3] - box[1]) >= LOOSE * areaOf(region)) return region;
  const wanted = regionAround(box, frameWidth, frameHeight);
  return roomy && areaOf(wanted) >= LOOSE * areaOf(region) ? region : wanted;
}

function mostlyInside({ box }, region) {
  const width = Math.min(box[2], region.x1) - Math.max(box[0], region.x0);
  const height = Math.min(box[3], region.y1) - Math.max(box[1], region.y0);
  return 2 * Math.max(width, 0) * Math.max(height, 0) > (box[2] - box[0]) * (box[3] - box[1]);
}

/** One region that is followed: a person, or several close to each other. */
class Track {
  constructor(region, persons) {
    this.region = region;
    this.persons = persons;
    this.smoother = new TemporalSmoother();
    this.new = true; // not yet accepted
    this.missed = 0; // checks in a row at which the detector saw nobody there
    this.extent = null; // at the last check
  }
}

/** The tracks of one stream. A frame goes through `begin`, `check` where that says so, and `follow`. */
export class Stream {
  #acceptance;
  #key;
  #width;
  #height;
  #cells;
  #stirChecks;
  #age;
  #due;
  #cut;
  #checked;

  constructor(acceptance) {
    this.#acceptance = acceptance;
    this.forget();
  }

  /** Start a new stream. */
  forget() {
    this.tracks = [];
    this.#key = null;
    this.#cells = new Uint8Array(0);
    this.#stirChecks = STIR_CHECKS;
    this.#age = 0; // frames since the last check
    this.#due = this.#cut = true;
    this.#checked = false;
  }

  /** Look at a new frame; whether the detector is to check it. */
  begin(frame) {
    const key = `${frame.height} ${frame.width} ${frame.imageType}`;
    if (key !== this.#key) {
      this.forget();
      this.#key = key;
      this.#width = frame.width;
      this.#height = frame.height;
    }
    const cells = frame.cells(...GRID, CELL_SAMPLES);
    let stirs = false;
    if (this.#cells.length === cells.length) {
      const change = cells.map((level, i) => Math.abs(level - this.#cells[i]));
      this.#cut = count(change, (levels) => levels > CUT_LEVELS) > CUT_SHARE * cells.length;
      stirs = this.#stirs(change);
    }
    this.#cells = cells;
    this.#age++;
    const every = this.tracks.length ? CHECK_EVERY : EMPTY_CHECK_EVERY;
    this.#checked = this.#due || this.#cut || stirs || this.#age >= every;
    return this.#checked;
  }

  /** Whether to check since something moves where nobody is followed, by how much the cells changed. */
  #stirs(change) {
    const [rows, columns] = GRID;
    const y = rows / this.#height;
    const x = columns / this.#width;
    const noise = change.slice().sort()[change.length >> 1];
    const least = Math.max(STIR_LEVELS, STIR_NOISE * noise);
    const moves = change.map((levels) => levels > least);
    for (const { region } of this.tracks) {
      // And a cell around it.
      const bottom = Math.min(Math.trunc(region.y1 * y) + 2, rows);
      const right = Math.min(Math.trunc(region.x1 * x) + 2, columns);
      for (let row = Math.max(Math.trunc(region.y0 * y) - 1, 0); row < bottom; row++)
        moves.fill(0, row * columns + Math.max(Math.trunc(region.x0 * x) - 1, 0), row * columns + right);
    }
    if (count(moves, Boolean) < STIR_CELLS) {
      this.#stirChecks = Math.min(this.#stirChecks + 1, STIR_CHECKS);
      return false;
    }
    if (this.#stirChecks === 0) return false;
    this.#stirChecks--;
    return true;
  }

  /** Bring the tracks in line with all of the detector's detections in this frame, best first. */
  check(detections) {
    const acceptance = this.#acceptance;
    const reminders = acceptance.reminders(detections);
    let old = this.tracks;
    this.tracks = [];
    if (this.#cut) for (const track of old) track.smoother.forget();
    const candidates = acceptance.candidates(detections);
    for (const { region, members } of groupPersons(candidates, this.#width, this.#height, acceptance.margin)) {
      const same = old.filter((track) => overlap(track.region, region) >= SAME);
      if (!same.length) {
        this.tracks.push(new Track(region, members));
        continue;
      }
      const track = same.reduce((best, next) =>
        overlap(next.region, region) > overlap(best.region, region) ? next : best,
      );
      old = old.filter((other) => other !== track);
      if (!members.every((person) => contains(track.region, person.box))) track.region = region;
      Object.assign(track, { persons: members, missed: 0, extent: null });
      this.tracks.push(track);
    }
    const taken = this.tracks.map((track) => track.region);
    for (const track of old) {
      const seen = reminders.some((person) => mostlyInside(person, track.region));
      track.missed = seen ? 0 : track.missed + 1;
      const givenUp = track.missed >= (this.#cut ? 1 : FORGIVEN_CHECKS);
      const covered = taken.some((region) => 2 * intersectionArea(track.region, region) > areaOf(track.region));
      if (givenUp || covered || this.tracks.length >= MAX_REGIONS) continue;
      track.extent = null;
      this.tracks.push(track);
    }
    this.#age = 0;
    this.#due = this.#cut = false;
    this.#checked = true;
  }

  /**
   * Learn from the masks of all tracks where they go.
   * @returns `[shown, again]`: which of the tracks show people, and whether the detector should check now,
   *   because a person was lost in a frame that it has not checked
   */
  follow(masks, size) {
    const kept = this.#accept(masks, size);
    let lost = false;
    const shown = this.tracks.map((track, i) => {
      const extent = extentOf(masks[i], size, track.region, this.#width, this.#height);
      if (extent === null) {
        lost ||= !track.new;
        return false;
      }
      track.new = false;
      const before = track.extent;
      if (before === null) track.extent = extent;
      else if (
        extent.touches.some((now, side) => now && !before.touches[side]) ||
        extent.area < SHRUNK * before.area ||
        extent.pieces > before.pieces
      )
        this.#due = true;
      track.region = followed(track.region, extent.box, this.#width, this.#height);
      return kept[i];
    });
    this.tracks = this.tracks.filter((_, i) => shown[i]);
    return [shown, lost && !this.#checked];
  }

  #accept(masks, size) {
    const judgements = this.tracks.map((track, i) => {
      if (!track.new) return null;
      const judgement = this.#acceptance.judge(track.persons, track.region, masks[i], size);
      track.persons = judgement.persons;
      return judgement;
    });
    const certain = this.#acceptance.isCertain(judgements.map((judgement) => judgement?.score ?? 1));
    return judgements.map(
      (judgement) => judgement === null || (certain && this.#acceptance.keeps(judgement)),
    );
  }
}
