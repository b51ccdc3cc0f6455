/** The worker's side: takes messages, answers each. */

import { packError } from "./errors.js";
import { checkDescription } from "./frame.js";
import { fromBitmap, fromVideoFrame } from "./pictures.js";
import { Pipeline } from "./pipeline.js";
import { usable } from "./runtime.js";
import { Scratch } from "./scratch.js";

let pipeline = null;
let maxPixels = 0;
const scratch = new Scratch();

const actions = {
  async load({ options }) {
    maxPixels = options.maxPixels;
    const threads = usable(options.threads);
    pipeline = await Pipeline.load({ ...options, threads });
    return [{ threads }];
  },

  async process({ bytes, picture, isStill, blurSigma }) {
    let description = bytes;
    try {
      if (picture instanceof ImageBitmap) description = fromBitmap(picture);
      else if (picture) description = await fromVideoFrame(picture, scratch);
    } finally {
      picture?.close();
    }
    const { width, height } = description;
    const started = performance.now();
    const checked = checkDescription(description, maxPixels);
    const { mask, persons, regions } = await pipeline.run(checked, isStill, blurSigma);
    const milliseconds = performance.now() - started;
    // The frame's memory goes back, for the next one.
    const spare = bytes ? bytes.data.buffer : null;
    const answer = { mask, width, height, persons, regions, milliseconds, spare };
    return [answer, spare ? [mask.buffer, spare] : [mask.buffer]];
  },

  async reset() {
    pipeline.forgetStream();
    return [{}];
  },

  async close() {
    pipeline?.delete();
    pipeline = null;
    return [{}];
  },
};

// One after the other, in the order in which they came.
let last = Promise.resolve();

export function handle({ data: { id, action, ...rest } }) {
  last = last.then(async () => {
    try {
      const [answer, transfer] = await actions[action](rest);
      self.postMessage({ id, answer }, transfer ?? []);
    } catch (error) {
      self.postMessage({ id, error: packError(error) });
    }
  });
}
