/**
 * Who counts as a person: every rule that accepts or refuses a detection.
 *
 * The thresholds are those of the detector's description, under `acceptance`.
 */

import constants from "./constants.js";
import { heightOf, roundEven, widthOf } from "./geometry.js";

const { MIN_COVERAGE, KEPT_SCORE, WEAK_SCORE, MARKED } = constants.acceptance;

export class Acceptance {
  /** @param fields of the description; margin is a share of a box's sides */
  constructor(fields) {
    this.highThreshold = fields.high_threshold;
    this.lowThreshold = fields.low_threshold;
    this.relativeThreshold = fields.relative_threshold;
    this.uncertaintyPenalty = fields.uncertainty_penalty;
    this.certainLevel = fields.certain_level;
    this.margin = fields.margin;
  }

  /** The same rules for another high threshold; the others follow it. */
  at(highThreshold) {
    const other = Object.create(Acceptance.prototype);
    return Object.assign(other, this, {
      highThreshold,
      lowThreshold: highThreshold - (this.highThreshold - this.lowThreshold),
      relativeThreshold:
        this.relativeThreshold * Math.min(highThreshold / Math.max(this.highThreshold, 1e-6), 1),
    });
  }

  /** No detection below this score counts. */
  get lowest() {
    return Math.min(this.highThreshold, this.lowThreshold);
  }

  /** The detections worth segmenting; they come best first. */
  candidates(detections) {
    if (!detections.length || detections[0].score < this.highThreshold) return [];
    const least = Math.max(this.lowest, this.relativeThreshold * detections[0].score);
    return detections.filter((person) => person.score >= least);
  }

  /** The detections that confirm a person who is followed already. */
  reminders(detections) {
    return detections.filter((person) => person.score >= WEAK_SCORE * this.lowest);
  }

  /**
   * Ask the segmenter's mask about the detections in a region.
   * @returns `{persons, score}`: those whom it confirms, and the best of their scores after the penalty
   */
  judge(persons, region, mask, size) {
    const confirmed = [];
    let score = 0;
    for (const person of persons) {
      const { all, marked, certain } = countInside(
        person.box,
        region,
        mask,
        size,
        this.certainLevel,
      );
      if (marked / all < MIN_COVERAGE) continue;
      confirmed.push(person);
      const uncertainty = marked ? 1 - certain / marked : 1;
      const left = person.score - this.uncertaintyPenalty * uncertainty;
      score = confirmed.length === 1 ? left : Math.max(score, left);
    }
    return { persons: confirmed, score };
  }

  /** Whether a region shows people, if somebody in the frame is certain. */
  keeps({ persons, score }) {
    return persons.length > 0 && score >= KEPT_SCORE * this.lowThreshold;
  }

  /** Whether a frame shows anybody, by the scores of its regions after the penalty. */
  isCertain(scores) {
    return (scores.length ? Math.max(...scores) : 0) >= this.highThreshold;
  }
}

/** How many pixels of the mask lie in a box, are marked, and are certain. */
function countInside(box, region, mask, size, certainLevel) {
  const scaleX = size / widthOf(region);
  const scaleY = size / heightOf(region);
  const x0 = Math.min(Math.max(Math.trunc((box[0] - region.x0) * scaleX), 0), size - 1);
  const y0 = Math.min(Math.max(Math.trunc((box[1] - region.y0) * scaleY), 0), size - 1);
  const x1 = Math.min(Math.max(roundEven((box[2] - region.x0) * scaleX), x0 + 1), size);
  const y1 = Math.min(Math.max(roundEven((box[3] - region.y0) * scaleY), y0 + 1), size);
  let marked = 0;
  let certain = 0;
  for (let y = y0; y < y1; y++)
    for (let x = x0; x < x1; x++) {
      const level = mask[y * size + x];
      marked += level >= MARKED;
      certain += level >= certainLevel;
    }
  return { all: (x1 - x0) * (y1 - y0), marked, certain };
}
