/** Memory with pointers into it, as a WebAssembly module of Emscripten has. */

const PAGE = 65536;
const ALIGNMENT = 16;
const MAX_PAGES = 32768; // 2 GiB: pointers stay whole numbers of 31 bits

export class Heap {
  #memory = new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES });
  #bytes = new Uint8Array(this.#memory.buffer);
  #sizes = new Map(); // of what is allocated, by pointer
  #free = [{ start: ALIGNMENT, end: this.#bytes.length }]; // by start; 0 is no pointer

  /** All of the memory; another array after it has grown. */
  get bytes() {
    return this.#bytes;
  }

  /** A pointer to as many bytes, or 0 where there aren't that many left. */
  allocate(size) {
    if (!Number.isInteger(size) || size < 0) return 0;
    const wanted = Math.max(Math.ceil(size / ALIGNMENT), 1) * ALIGNMENT;
    let hole = this.#free.find(({ start, end }) => end - start >= wanted);
    if (!hole && this.#grow(wanted)) hole = this.#free.at(-1);
    if (!hole) return 0;
    const { start } = hole;
    hole.start += wanted;
    if (hole.start === hole.end) this.#free.splice(this.#free.indexOf(hole), 1);
    this.#sizes.set(start, wanted);
    return start;
  }

  /** Give a pointer's bytes back; what isn't allocated stays as it is. */
  release(pointer) {
    const size = this.#sizes.get(pointer);
    if (size === undefined) return;
    this.#sizes.delete(pointer);
    const next = this.#free.findIndex(({ start }) => start > pointer);
    this.#insert(next < 0 ? this.#free.length : next, { start: pointer, end: pointer + size });
  }

  #insert(place, hole) {
    const before = this.#free[place - 1];
    const after = this.#free[place];
    const joinsBefore = before?.end === hole.start;
    const joinsAfter = after?.start === hole.end;
    if (joinsBefore) hole.start = before.start;
    if (joinsAfter) hole.end = after.end;
    this.#free.splice(place - (joinsBefore ? 1 : 0), (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), hole);
  }

  #grow(wanted) {
    const old = this.#bytes.length;
    const last = this.#free.at(-1);
    const missing = wanted - (last?.end === old ? last.end - last.start : 0);
    const pages = this.#memory.buffer.byteLength / PAGE;
    const least = Math.ceil(missing / PAGE);
    if (pages + least > MAX_PAGES) return false;
    try {
      // Twice as much where possible: every growth copies all there is.
      this.#memory.grow(Math.min(Math.max(least, pages), MAX_PAGES - pages));
    } catch {
      return false;
    }
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#insert(this.#free.length, { start: old, end: this.#bytes.length });
    return true;
  }
}
