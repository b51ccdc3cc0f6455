/**
 * One frame from its pixels to its mask. The order of the stages stands here and nowhere else:
 *
 *     still:   detect -> candidates -> regions -> segment -> judge -> compose
 *     stream:  follow the regions of the frame before -> segment -> smooth -> compose
 *              and every few frames: detect -> candidates -> regions
 */

import { PersonDetector } from "./detector.js";
import { distinctPersons } from "./detections.js";
import { openFrame } from "./frame.js";
import { sameRegion } from "./geometry.js";
import { composeMask } from "./mask.js";
import { groupPersons, grown } from "./regions.js";
import { loadRuntime } from "./runtime.js";
import { Scratch } from "./scratch.js";
import { PersonSegmenter } from "./segmenter.js";
import { Stream } from "./stream.js";

/** Both models and everything that is carried from frame to frame. For one frame at a time. */
export class Pipeline {
  #options;
  #detector;
  #segmenter;
  #acceptance;
  #stream;
  #scratch = new Scratch();

  /** @param options `wasmPath`, `folder`, `threads`, and the settings of a segmenter, all checked */
  static async load(options) {
    const { wasmPath, folder, threads } = options;
    const runtime = await loadRuntime(wasmPath, threads);
    const detector = await PersonDetector.load(runtime, folder, threads);
    return new Pipeline(options, detector, await PersonSegmenter.load(runtime, folder, threads));
  }

  constructor(options, detector, segmenter) {
    this.#options = options;
    this.#detector = detector;
    this.#segmenter = segmenter;
    const { scoreThreshold } = options;
    this.#acceptance =
      scoreThreshold === null ? detector.acceptance : detector.acceptance.at(scoreThreshold);
    this.#stream = new Stream(this.#acceptance);
  }

  /** The next stream frame starts a new stream. */
  forgetStream() {
    this.#stream.forget();
    this.#scratch.trim();
  }

  /**
   * One frame, a still or the next of the stream.
   * @param description of the frame, checked
   * @returns `{mask, persons, regions}`
   */
  async run(description, isStill, blurSigma) {
    const frame = openFrame(description, this.#scratch);
    const { width, height } = frame;
    try {
      const [parts, persons] = isStill ? await this.#still(frame) : await this.#next(frame);
      const mask = new Uint8ClampedArray(width * height);
      composeMask(parts, blurSigma, new Uint8Array(mask.buffer), width, height, this.#scratch);
      return { mask, persons, regions: parts.map(({ region: { x0, y0, x1, y1 } }) => [x0, y0, x1, y1]) };
    } finally {
      if (isStill) this.#scratch.trim(); // the next frame of a stream needs as much again
    }
  }

  async #still(frame) {
    const acceptance = this.#acceptance;
    const { width, height } = frame;
    const detections = await this.#detector.detect(frame, acceptance.lowest);
    const [parts, persons, scores] = [[], [], []];
    const candidates = acceptance.candidates(detections);
    for (const { region, members } of groupPersons(candidates, width, height, acceptance.margin)) {
      let seen = await this.#segmenter.segment(frame, region, parts.length);
      const judgement = acceptance.judge(members, region, seen.mask, seen.size);
      if (!acceptance.keeps(judgement)) continue;
      const roomier = grown(region, seen.mask, seen.size, width, height);
      if (!sameRegion(roomier, region))
        seen = await this.#segmenter.segment(frame, roomier, parts.length);
      // Only now: a mean of two masks is less certain, and acceptance was measured on single ones.
      if (this.#options.testTimeAugmentation) seen = await this.#segmenter.augmented(seen);
      parts.push(this.#part(frame, seen, parts.length, this.#options.refine ?? true));
      persons.push(...judgement.persons);
      scores.push(judgement.score);
    }
    return acceptance.isCertain(scores) ? [parts, distinctPersons(persons)] : [[], []];
  }

  async #next(frame) {
    try {
      return await this.#follow(frame);
    } catch (error) {
      this.#stream.forget();
      throw error;
    }
  }

  async #follow(frame) {
    const stream = this.#stream;
    let check = stream.begin(frame);
    let tracks, regions, shown;
    do {
      if (check) stream.check(await this.#detector.detect(frame, this.#acceptance.lowest));
      tracks = [...stream.tracks];
      regions = [];
      for (const track of tracks)
        regions.push(await this.#segmenter.segment(frame, track.region, regions.length, true));
      const masks = regions.map((seen) => seen.mask);
      [shown, check] = stream.follow(masks, this.#segmenter.size);
    } while (check);
    // Beside the fast model's time that of refining would be long.
    const refine = this.#options.refine ?? this.#options.model !== "fast";
    const parts = [];
    tracks.forEach((track, i) => {
      if (!shown[i]) return;
      const { bgr, mask, region, size } = regions[i];
      if (this.#options.temporalSmoothing) track.smoother.smooth(bgr, mask, region, size);
      parts.push(this.#part(frame, regions[i], i, refine, track.smoother.grain));
    });
    return [parts, distinctPersons(stream.tracks.flatMap((track) => track.persons))];
  }

  /** What a region adds to the frame's mask; `number` keeps the parts' scratch memory apart. */
  #part(frame, { region, bgr, mask, size }, number, refine, grain = 0) {
    const guide = refine ? { bgr, ...frame.readLuma(region, `luma ${number}`), grain } : null;
    return { region, mask, size, guide };
  }

  delete() {
    this.#detector.delete();
    this.#segmenter.delete();
  }
}
