/** What `python -m benchmarks.browser` calls. */

import { UpperBodySegmenter } from "../index.js";

/** Milliseconds of each of `runs` runs of a model, in a worker of its own. */
export function runModel(url, runs, threads) {
  const worker = new Worker(new URL("./model_worker.js", import.meta.url));
  const wasmPath = new URL("../wasm/", import.meta.url).href;
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data: { times, error } }) => (error ? reject(new Error(error)) : resolve(times));
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ wasmPath, url: new URL(url, import.meta.url).href, runs, threads });
  }).finally(() => worker.terminate());
}

/**
 * Milliseconds of each frame of a stream, from the call to the mask, and of them in the worker's stages.
 * @param {Uint8Array[]} frames RGBA, taken in turn
 */
export async function runStream(frames, width, height, count, options) {
  const segmenter = await UpperBodySegmenter.create(options);
  const [whole, stages] = [[], []];
  let people = 0;
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const { milliseconds, persons } = await segmenter.process({ data: frames[i % frames.length], width, height });
    whole.push(performance.now() - started);
    stages.push(milliseconds);
    people += persons.length;
  }
  await segmenter.close();
  return { whole, stages, people };
}
