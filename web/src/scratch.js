import constants from "./constants.js";

const { KEPT_BYTES } = constants.buffers;

/** Memory that is used again from one frame to the next, so that a stream allocates little. */
export class Scratch {
  #memory = new Map();

  /**
   * An array with anything in it, valid until the name's next use.
   * @param {string} name
   * @param {number} length elements
   * @param Kind typed array's constructor
   */
  take(name, length, Kind = Uint8Array) {
    let memory = this.#memory.get(name);
    if (!(memory instanceof Kind) || memory.length < length) {
      memory = new Kind(length);
      this.#memory.set(name, memory);
    }
    return memory.length === length ? memory : memory.subarray(0, length);
  }

  /** Let go of everything, if it is more than is kept after a still. */
  trim() {
    let size = 0;
    for (const memory of this.#memory.values()) size += memory.byteLength;
    if (size > KEPT_BYTES) this.#memory.clear();
  }
}
