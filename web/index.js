/** Cuts people out of frames and pictures, in the browser, off the page's thread. */

import constants from "./src/constants.js";
import { EngineStateError, InputError, ModelNotFoundError, unpackError } from "./src/errors.js";
import { folderUrl } from "./src/folder_url.js";
import { checkDescription, checkSize, copyFrame } from "./src/frame.js";
import { checkBlurSigma } from "./src/mask.js";

export * from "./src/errors.js";
export { ImageType } from "./src/image_type.js";

const { DEFAULT_BLUR_SIGMA } = constants.engine;
const { MAX_THREADS, MAX_PIXELS } = constants.options;
const { MAX_SIDE } = constants.pixel_format;
const { MODELS } = constants.spec;

// A name of its own, since bundlers take `new URL("src/worker.js", import.meta.url)` for a part of their bundle.
const HERE = import.meta.url;

/** The threads used where the page is cross-origin isolated and asks for no other number. */
const THREADS = 2;

function isWhole(value, least, most) {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}

function checkOptions(options) {
  if (options === null || typeof options !== "object")
    throw new InputError(`options must be an object, got ${String(options)}`);
  const {
    model = "fast",
    packagePath = new URL(".", HERE),
    wasmPath = null,
    weightsPath = null,
    threads = THREADS,
    scoreThreshold = null,
    refine = null,
    testTimeAugmentation = false,
    temporalSmoothing = true,
    maxPixels = MAX_PIXELS,
    ...unknown
  } = options;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) throw new InputError(`there is no option ${stranger}`);
  if (!MODELS.includes(model))
    throw new InputError(`model must be one of ${MODELS.join(", ")}, got ${String(model)}`);
  if (!isWhole(threads, 1, MAX_THREADS))
    throw new InputError(`threads must be a whole number from 1 to ${MAX_THREADS}, got ${String(threads)}`);
  if (scoreThreshold !== null && !(typeof scoreThreshold === "number" && scoreThreshold >= 0 && scoreThreshold <= 1))
    throw new InputError(`scoreThreshold must be a number from 0 to 1, got ${String(scoreThreshold)}`);
  if (refine !== null && typeof refine !== "boolean")
    throw new InputError(`refine must be true, false or null, got ${String(refine)}`);
  for (const [name, value] of Object.entries({ testTimeAugmentation, temporalSmoothing }))
    if (typeof value !== "boolean") throw new InputError(`${name} must be true or false, got ${String(value)}`);
  if (!isWhole(maxPixels, 1, MAX_SIDE ** 2))
    throw new InputError(`maxPixels must be a whole number from 1 to ${MAX_SIDE ** 2}, got ${String(maxPixels)}`);
  const packageUrl = folderUrl("packagePath", packagePath);
  return {
    model,
    packageUrl,
    wasmPath: folderUrl("wasmPath", wasmPath ?? `${packageUrl}wasm/`),
    folder: `${folderUrl("weightsPath", weightsPath ?? `${packageUrl}weights/`)}${model}/`,
    // Threads share memory, which browsers allow isolated pages alone.
    threads: globalThis.crossOriginIsolated ? threads : 1,
    scoreThreshold,
    refine,
    testTimeAugmentation,
    temporalSmoothing,
    maxPixels,
  };
}

const isA = (Kind, value) => typeof Kind !== "undefined" && value instanceof Kind;

/** A picture of the browser's that the worker can be sent, and its size; null for bytes. */
function pictureOf(frame) {
  if (isA(globalThis.VideoFrame, frame)) {
    if (frame.format === null && frame.codedWidth === 0) throw new InputError("the VideoFrame was closed");
    return { picture: frame.clone(), width: frame.displayWidth, height: frame.displayHeight };
  }
  if (isA(globalThis.ImageBitmap, frame)) {
    if (frame.width === 0) throw new InputError("the ImageBitmap was closed");
    return { picture: frame, width: frame.width, height: frame.height, keep: true };
  }
  return null;
}

export class UpperBodySegmenter {
  #worker;
  #options;
  #waiting = new Map();
  #next = 0;
  #spare = [];
  #closed = null;
  #processing = 0;
  #threads = 1;

  /** Load the models; see index.d.ts for the options. */
  static async create(options = {}) {
    const segmenter = new UpperBodySegmenter(checkOptions(options));
    try {
      const { threads } = await segmenter.#ask("load", { options: segmenter.#options });
      segmenter.#threads = threads;
    } catch (error) {
      segmenter.#worker.terminate();
      throw error;
    }
    return segmenter;
  }

  /** Not for callers: use `create()`. */
  constructor(options) {
    this.#options = options;
    const url = `${options.packageUrl}src/worker.js`;
    this.#worker = new Worker(url);
    this.#worker.onmessage = ({ data }) => this.#answer(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message ? ` (${event.message})` : "";
      this.#fail(new ModelNotFoundError(`the worker ${url} failed${reason}: check packagePath, and that it is served`));
    };
  }

  /** Threads of one inference: 1 unless the page is cross-origin isolated, and the browser has relaxed SIMD. */
  get threads() {
    return this.#threads;
  }

  /** Whether a frame is being processed or waits to be. */
  get isProcessing() {
    return this.#processing > 0;
  }

  /** Segment one frame; frames are processed in the order of the calls. */
  async process(frame, options = {}) {
    if (this.#closed) throw new EngineStateError("the segmenter was closed: create a new one");
    if (frame === null || typeof frame !== "object")
      throw new InputError(`frame must be a picture or a description of bytes, got ${String(frame)}`);
    const { data, width, height } = frame;
    const given = isA(globalThis.ImageData, frame) ? { data, width, height } : frame;
    const own = isA(globalThis.ImageData, frame) || pictureIs(frame) ? {} : frame;
    const { timestamp = 0, isStill = false, blurSigma = DEFAULT_BLUR_SIGMA } = { ...pick(own), ...pick(options) };
    checkBlurSigma(blurSigma);
    if (typeof isStill !== "boolean") throw new InputError(`isStill must be true or false, got ${String(isStill)}`);
    if (typeof timestamp !== "number") throw new InputError(`timestamp must be a number, got ${String(timestamp)}`);
    const found = pictureOf(given);
    const message = { isStill, blurSigma };
    const transfer = [];
    if (found !== null) {
      checkSize(found.width, found.height, this.#options.maxPixels);
      message.picture = found.picture;
      if (!found.keep) transfer.push(found.picture);
    } else {
      message.bytes = this.#copied(checkDescription(given, this.#options.maxPixels));
      transfer.push(message.bytes.data.buffer);
    }
    this.#processing++;
    try {
      const { spare, ...output } = await this.#ask("process", message, transfer);
      if (spare !== null) this.#spare = [spare];
      return { success: true, timestamp, ...output };
    } finally {
      this.#processing--;
    }
  }

  /** Forget the stream: the next frame starts a new one. */
  async reset() {
    if (this.#closed) throw new EngineStateError("the segmenter was closed: create a new one");
    await this.#ask("reset");
  }

  /** Let go of the models, after the frames in progress; a second call does nothing. */
  close() {
    this.#closed ??= this.#ask("close").finally(() => this.#worker.terminate());
    return this.#closed;
  }

  /** The frame's bytes in memory of our own, which the worker is given: the caller may use theirs at once. */
  #copied(frame) {
    const { needed } = frame;
    const spare = this.#spare.pop();
    const memory = spare && spare.byteLength >= needed ? spare : new ArrayBuffer(needed);
    const data = new Uint8Array(memory, 0, needed);
    copyFrame(frame, data);
    return { ...frame, data };
  }

  #ask(action, rest = {}, transfer = []) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      try {
        this.#worker.postMessage({ id, action, ...rest }, transfer);
      } catch (error) {
        this.#waiting.delete(id);
        reject(new InputError(`the frame can't be sent to the worker: ${error.message}`, { cause: error }));
      }
    });
  }

  #answer({ id, answer, error }) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) reject(unpackError(error));
    else resolve(answer);
  }

  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

const pictureIs = (frame) => isA(globalThis.VideoFrame, frame) || isA(globalThis.ImageBitmap, frame);

function pick({ timestamp, isStill, blurSigma }) {
  const given = { timestamp, isStill, blurSigma };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
