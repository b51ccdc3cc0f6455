/** LiteRT.js and its WebAssembly: one build for pages with and without threads. Runs in the worker alone. */

import { ModelNotFoundError } from "./errors.js";

const BUILD = "litert_wasm_threaded_internal";

// Numbers of the WebAssembly binary format.
const IMPORTS = 2;
const FUNCTION = 0;
const MEMORY = 2;
const SHARED_WITH_MAXIMUM = 3;
const WITH_MAXIMUM = 1;

const INITIAL_PAGES = 256; // of 64 KiB
const MAXIMUM_PAGES = 32768; // as the build declares it

/** Whether the browser takes a function of `i8x16.relaxed_swizzle`. */
const RELAXED_SIMD = WebAssembly.validate(
  Uint8Array.of(
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0],
    ...[65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
  ),
);

let runtime = null;

/** Of as many threads those that can be used: LiteRT.js has them with relaxed SIMD alone. */
export function usable(threads) {
  return RELAXED_SIMD ? threads : 1;
}

/**
 * Load LiteRT.js and its WebAssembly; a second call does nothing.
 * @param {string} wasmPath URL of the folder, with a slash at its end
 * @param {number} threads that are usable; 1 needs no shared memory
 * @returns LiteRT.js
 */
export async function loadRuntime(wasmPath, threads) {
  if (runtime !== null) return runtime;
  hush();
  // Emscripten starts as many workers as there are cores, whatever is asked of it.
  Object.defineProperty(navigator, "hardwareConcurrency", { value: threads > 1 ? threads : 0 });
  // It looks for the .wasm file, and its threads for the script, beside the page unless told otherwise.
  self.Module = {
    locateFile: (file) => wasmPath + file,
    mainScriptUrlOrBlob: `${wasmPath}${BUILD}.js`,
    print: (line) => console.debug(line),
    printErr: (line) => (line.startsWith("ERROR") ? console.error(line) : console.debug(line)),
  };
  try {
    if (threads === 1) Object.assign(self.Module, await changed(wasmPath + BUILD));
    const core = await import(`${wasmPath}litert_core.js`);
    await core.loadLiteRt(`${wasmPath}${BUILD}.js`);
    runtime = core;
  } catch (error) {
    throw new ModelNotFoundError(
      `can't load LiteRT.js from ${wasmPath} (${error.message}): check wasmPath, and that the page's ` +
        "Content-Security-Policy allows script-src 'self' 'wasm-unsafe-eval'",
      { cause: error },
    );
  }
  return runtime;
}

/** Keep LiteRT.js from asking for a graphics card that it isn't to use, and from telling the page about it. */
function hush() {
  Object.defineProperty(navigator, "gpu", { value: undefined });
  self.GPUBuffer ??= class GPUBuffer {}; // LiteRT.js names it, and not all browsers have it
  for (const level of ["log", "info", "warn"]) console[level] = console.debug;
}

/**
 * What makes Emscripten run a changed build: in memory that is not shared, and without relaxed SIMD where the browser
 * has none.
 *
 * Browsers share memory in cross-origin isolated pages alone. Atomic operations on other memory are allowed, and
 * with one thread nobody waits.
 */
async function changed(url) {
  let binary = await fetched(`${url}.wasm`);
  if (!RELAXED_SIMD) binary = edited(binary, await fetched(`${url}.strict`));
  withoutSharing(binary);
  const module = await WebAssembly.compile(binary);
  Atomics.waitAsync = undefined; // it takes shared memory alone; Emscripten does without
  return {
    wasmMemory: new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES }),
    async instantiateWasm(imports, receive) {
      receive(await WebAssembly.instantiate(module, imports), module);
    },
  };
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`status ${response.status} of ${url}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A reader of numbers in LEB128, from `at` on. */
function numbers(bytes, at) {
  const read = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[read.at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  read.at = at;
  return read;
}

/** Write a file's edits, as scripts/relaxed_simd.mjs packs them, into a copy. */
export function edited(binary, edits) {
  const parts = [];
  let from = 0;
  for (const read = numbers(edits, 0); read.at < edits.length; ) {
    const at = from + read();
    parts.push(binary.subarray(from, at));
    from = at + read();
    const count = read();
    parts.push(edits.subarray(read.at, read.at + count));
    read.at += count;
  }
  parts.push(binary.subarray(from));
  const copy = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    copy.set(part, end);
    end += part.length;
  }
  return copy;
}

/** Declare the memory that a module imports as not shared; changes `binary` in place. */
export function withoutSharing(binary) {
  const read = numbers(binary, 8); // behind the magic number and the version
  const section = () => binary[read.at++];
  for (let number = section(); number !== IMPORTS; number = section()) {
    if (number === undefined) throw new Error("the WebAssembly imports nothing: it is another build");
    const size = read();
    read.at += size;
  }
  read(); // the section's size
  const skipName = () => {
    const length = read();
    read.at += length;
  };
  for (let left = read(); left > 0; left--) {
    skipName();
    skipName();
    const kind = binary[read.at++];
    if (kind === FUNCTION) read();
    else if (kind === MEMORY && binary[read.at] === SHARED_WITH_MAXIMUM) {
      binary[read.at] = WITH_MAXIMUM;
      return;
    } else break;
  }
  throw new Error("the WebAssembly imports no shared memory: it is another build");
}
