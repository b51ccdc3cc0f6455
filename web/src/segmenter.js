/** The segmenter: a region of a frame in, the region's mask out. */

import constants from "./constants.js";
import { exposureTable } from "./exposure.js";
import { cellsToMask } from "./mask.js";
import { Model } from "./model.js";
import { Scratch } from "./scratch.js";

export class PersonSegmenter {
  #model;
  #scratch = new Scratch();

  static async load(runtime, folder, threads) {
    return new PersonSegmenter(await Model.load(runtime, folder, constants.spec.SEGMENTER, [4], threads));
  }

  constructor(model) {
    this.#model = model;
  }

  /** Side of the picture that it sees, and of its masks. */
  get size() {
    return this.#model.size;
  }

  /**
   * Segment one region.
   * @param {number} number keeps the memory of the regions of one frame apart
   * @returns `{region, bgr, mask, size}`: the region as the segmenter saw it, and its mask
   */
  async segment(frame, region, number, quick = false) {
    const { size } = this;
    const bgr = frame.readBgr(region, size, size, `bgr ${number}`, quick);
    return { region, bgr, mask: await this.#mask(bgr, `mask ${number}`), size };
  }

  /** The same region with the mean of its mask and of its mirror image's mask. */
  async augmented(seen) {
    const { size } = this;
    const mirrored = this.#scratch.take("mirrored", seen.bgr.length);
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        for (let c = 0; c < 3; c++)
          mirrored[(y * size + x) * 3 + c] = seen.bgr[(y * size + size - 1 - x) * 3 + c];
    const other = await this.#mask(mirrored, "mirrored mask");
    const mask = Uint8ClampedArray.from(
      seen.mask,
      (level, i) => (level + other[i - (i % size) + size - 1 - (i % size)]) / 2,
    );
    return { ...seen, mask: new Uint8Array(mask.buffer) };
  }

  async #mask(bgr, name) {
    const { size } = this;
    const { input } = this.#model;
    const table = exposureTable(bgr, size, size);
    if (table === null) input.set(bgr);
    else for (let i = 0; i < bgr.length; i++) input[i] = table[bgr[i]];
    const [cells] = await this.#model.run();
    return cellsToMask(cells, this.#scratch.take(name, size * size), size);
  }

  delete() {
    this.#model.delete();
  }
}
