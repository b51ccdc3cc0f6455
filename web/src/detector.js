/** The detector: a whole frame in, detections out. */

import { Acceptance } from "./acceptance.js";
import constants from "./constants.js";
import { decodeDetections } from "./detections.js";
import { ModelFormatError } from "./errors.js";
import { letterbox } from "./letterbox.js";
import { Model } from "./model.js";

const { MIN_CELL_SCORE } = constants.detections;

export class PersonDetector {
  #model;

  static async load(runtime, folder, threads) {
    return new PersonDetector(await Model.load(runtime, folder, constants.spec.DETECTOR, [2, 4], threads));
  }

  constructor(model) {
    this.#model = model;
    this.acceptance = new Acceptance(model.spec.acceptance ?? {});
    const missing = Object.entries(this.acceptance).filter(([, value]) => !Number.isFinite(value));
    if (missing.length || !(model.spec.unit > 0))
      throw new ModelFormatError(
        `the detector's description lacks ${missing.map(([name]) => name).join(", ") || "unit"}`,
      );
  }

  /** Everything in a frame that may be a person, best first. */
  async detect(frame, leastScore) {
    const { size, spec } = this.#model;
    const fit = letterbox(frame, size, this.#model.input);
    const [shares, distances] = await this.#model.run();
    const cells = size / spec.stride;
    const grid = { columns: cells, rows: cells, stride: spec.stride, unit: spec.unit };
    const least = Math.min(MIN_CELL_SCORE, leastScore);
    return decodeDetections(shares, distances, grid, fit, frame.width, frame.height, least);
  }

  delete() {
    this.#model.delete();
  }
}
