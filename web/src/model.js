/** One model in LiteRT.js: a picture in, numbers out. Runs in the worker alone. */

import { InferenceError, ModelFormatError, ModelNotFoundError } from "./errors.js";

/** Which file of a description LiteRT.js runs. */
const RUNTIME = "litert.js";

async function fetched(url) {
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new ModelNotFoundError(`can't fetch ${url} (${error.message}): check weightsPath`, { cause: error });
  }
  if (!response.ok)
    throw new ModelNotFoundError(`can't fetch ${url} (status ${response.status}): check weightsPath`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A file's SHA-256 in hexadecimal; null where the page isn't served securely, and so can't compute it. */
async function sha256(content) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Model {
  #runtime;
  #compiled;
  #input;

  /**
   * Fetch a model's description and file, check them, and compile the model.
   * @param runtime LiteRT.js
   * @param {string} folder URL of the pair's folder, with a slash at its end
   * @param {string} name of the model
   * @param {number[]} outputs last dimensions of its outputs
   */
  static async load(runtime, folder, name, outputs, threads) {
    let spec;
    const url = `${folder}${name}.json`;
    try {
      spec = JSON.parse(new TextDecoder().decode(await fetched(url)));
    } catch (error) {
      if (error instanceof ModelNotFoundError) throw error;
      throw new ModelFormatError(`${url} is no model description (${error.message})`, { cause: error });
    }
    const file = spec.files?.[RUNTIME];
    const [, size, width] = spec.input_shape ?? [];
    if (spec.name !== name || !file || !(size > 0) || size !== width || !(spec.stride > 0))
      throw new ModelFormatError(`${url} does not describe a ${name} for ${RUNTIME}`);
    const content = await fetched(folder + file.file);
    const found = await sha256(content);
    if (found !== null && found !== file.sha256)
      throw new ModelFormatError(
        `${folder}${file.file} is damaged or another file: expected sha256 ${file.sha256}, got ${found}`,
      );
    let compiled;
    try {
      compiled = await runtime.loadAndCompile(content, {
        accelerator: "wasm",
        cpuOptions: { numThreads: threads },
      });
    } catch (error) {
      throw new ModelFormatError(`LiteRT.js can't load ${folder}${file.file}: ${error.message}`, { cause: error });
    }
    return new Model(runtime, spec, compiled, outputs);
  }

  constructor(runtime, spec, compiled, outputs) {
    this.#runtime = runtime;
    this.spec = spec;
    this.size = spec.input_shape[1];
    this.#compiled = compiled;
    this.#input = new Float32Array(this.size * this.size * 3);
    const shapes = compiled.getOutputDetails().map(({ shape }) => [...shape]);
    const taken = [...compiled.getInputDetails()[0].shape];
    const cells = this.size / spec.stride;
    const fits =
      String(taken) === String(spec.input_shape) &&
      String(shapes.map((shape) => shape[3]).sort()) === String(outputs) &&
      shapes.every((shape) => shape[1] === cells && shape[2] === cells);
    if (!fits)
      throw new ModelFormatError(`${spec.name} takes ${taken} and gives ${shapes.join("; ")}: another model`);
  }

  /** The input's memory, `size * size * 3`, BGR 0-255: fill it, then `run()`. */
  get input() {
    return this.#input;
  }

  /** Run the model on what is in `input`; its outputs, the one with fewest channels first. */
  async run() {
    const owned = [];
    try {
      const tensor = new this.#runtime.Tensor(this.#input, this.spec.input_shape);
      owned.push(tensor);
      const outputs = await this.#compiled.run([tensor]);
      owned.push(...outputs);
      const values = outputs.map((output) => output.toTypedArray()).sort((a, b) => a.length - b.length);
      if (!values.every((numbers) => numbers.every(Number.isFinite)))
        throw new Error("it gave NaN or infinity, so its file is damaged");
      return values;
    } catch (error) {
      throw new InferenceError(`LiteRT.js failed while running ${this.spec.name}: ${error.message}`, {
        cause: error,
      });
    } finally {
      for (const tensor of owned) tensor.delete();
    }
  }

  delete() {
    this.#compiled.delete();
  }
}
