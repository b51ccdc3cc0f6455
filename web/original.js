/** The original SDK's JavaScript interface, on this package's segmenter. */

import { ImageType, InputError, UpperBodySegmenter } from "./index.js";
import constants from "./src/constants.js";
import { folderUrl } from "./src/folder_url.js";
import { Heap } from "./src/heap.js";

const HERE = import.meta.url; // see index.js

/** What a module was made with; its users need not see it. */
const OPTIONS = new WeakMap();

/**
 * The module: memory for frames and masks, and the layouts' numbers.
 *
 * `locateFile` is called with the URL of the folder of the WebAssembly and of that of the weights. All other
 * options are those of `UpperBodySegmenter.create()`.
 */
export async function HumanXNative({ locateFile = (path) => path, ...options } = {}) {
  const heap = new Heap();
  const packageUrl = folderUrl("packagePath", options.packagePath ?? new URL(".", HERE));
  const folder = (name) => locateFile(`${packageUrl}${name}/`);
  const module = {
    ImageType,
    _malloc: (size) => heap.allocate(size),
    _free: (pointer) => heap.release(pointer),
    get HEAPU8() {
      return heap.bytes;
    },
  };
  OPTIONS.set(module, { wasmPath: folder("wasm"), weightsPath: folder("weights"), ...options });
  return module;
}

const FAILED = {
  success: false,
  segmentationMaskWidth: 0,
  segmentationMaskHeight: 0,
  segmentationMaskStep: 0,
  segmentationMask: 0,
};

/**
 * One stream's segmenter. As in the original nothing is thrown for a frame that can't be segmented: `success` is
 * false, and `error` says why.
 */
export class CoreAIUpperBodySegmentation {
  #module;
  #segmenter = null;
  #loading = null;
  #destroyed = false;
  #running = 0;
  #mask = 0;
  #maskSize = 0;
  #last = Promise.resolve();

  constructor(wasmModule) {
    if (!OPTIONS.has(wasmModule)) throw new InputError("expected what HumanXNative() resolves to");
    this.#module = wasmModule;
    /** Why `initialize()` was false; null before. */
    this.error = null;
  }

  /** Load the models; whether that succeeded. A second call does nothing. */
  async initialize() {
    if (this.#destroyed) return false;
    this.#loading ??= UpperBodySegmenter.create(OPTIONS.get(this.#module));
    try {
      const segmenter = await this.#loading;
      if (this.#destroyed) await segmenter.close();
      else this.#segmenter = segmenter;
      this.error = null;
      return !this.#destroyed;
    } catch (error) {
      this.#loading = null;
      this.error = error;
      return false;
    }
  }

  async isInitialized() {
    return this.#segmenter !== null;
  }

  /** Whether a frame is being processed. */
  isProcessing() {
    return this.#running > 0;
  }

  /**
   * Segment the frame at `dataPtr`.
   *
   * The mask lies in the module's memory until the next call of `process()` or `destroy()`.
   */
  async process(
    timestamp,
    dataPtr,
    dataSize,
    width,
    height,
    stride,
    imageType,
    isStill,
    blurSigma = constants.engine.DEFAULT_BLUR_SIGMA,
  ) {
    this.#running++;
    try {
      const data = this.#bytes(dataPtr, dataSize);
      const frame = { data, width, height, stride, imageType: Number(imageType) };
      const options = { timestamp, isStill: Boolean(isStill), blurSigma };
      // The segmenter takes its copy of the bytes before this returns: they may be freed at once.
      const answer = this.#segmenter.process(frame, options);
      const turn = this.#last.then(() => answer).then((result) => this.#deliver(result));
      this.#last = turn.catch(() => {});
      return await turn;
    } catch (error) {
      return { ...FAILED, timestamp, error: error.message };
    } finally {
      this.#running--;
    }
  }

  /** Let go of the models and of the mask; a second call does nothing. */
  destroy() {
    this.#destroyed = true;
    this.#segmenter?.close().catch(() => {});
    this.#segmenter = null;
    this.#module._free(this.#mask);
    this.#mask = this.#maskSize = 0;
  }

  #bytes(pointer, size) {
    if (this.#destroyed) throw new InputError("destroy() was called: create a new object");
    if (this.#segmenter === null) throw new InputError("call initialize() first, and await it");
    const heap = this.#module.HEAPU8;
    const sound = Number.isInteger(pointer) && Number.isInteger(size) && pointer > 0 && size > 0;
    if (!sound || pointer + size > heap.length)
      throw new InputError(
        `dataPtr and dataSize must lie in the module's memory, got ${String(pointer)} and ${String(size)}`,
      );
    return heap.subarray(pointer, pointer + size);
  }

  #deliver({ timestamp, mask, width, height }) {
    if (this.#destroyed) throw new InputError("destroy() was called before the frame was done");
    if (mask.length > this.#maskSize) {
      this.#module._free(this.#mask);
      this.#mask = this.#module._malloc(mask.length);
      this.#maskSize = this.#mask ? mask.length : 0;
      if (!this.#mask) throw new InputError(`there is no memory left for a mask of ${mask.length} bytes`);
    }
    this.#module.HEAPU8.set(mask, this.#mask);
    return {
      success: true,
      timestamp,
      segmentationMaskWidth: width,
      segmentationMaskHeight: height,
      segmentationMaskStep: width,
      segmentationMask: this.#mask,
    };
  }
}
