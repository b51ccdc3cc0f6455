/**
 * Finds a module's relaxed SIMD instructions, and what to write in their place.
 *
 * Safari and older browsers have SIMD without the relaxed instructions. For each there are strict ones that give one
 * of the results that the relaxed one may give: see the WebAssembly specification, "Relaxed SIMD".
 * https://webassembly.github.io/spec/core/binary/instructions.html
 */

const TYPES = 1;
const FUNCTIONS = 3;
const CODE = 10;
const V128 = 0x7b;

const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const SIMD = 0xfd;
const SHUFFLE = 0x0d;

/** What takes the same operands. */
const SAME_OPERANDS = new Map([
  [0x100, 0x0e], // i8x16.swizzle
  [0x101, 0xf8], // i32x4.trunc_sat_f32x4_s
  [0x102, 0xf9], // i32x4.trunc_sat_f32x4_u
  [0x103, 0xfc], // i32x4.trunc_sat_f64x2_s_zero
  [0x104, 0xfd], // i32x4.trunc_sat_f64x2_u_zero
  [0x109, 0x52], // v128.bitselect
  [0x10a, 0x52],
  [0x10b, 0x52],
  [0x10c, 0x52],
  [0x10d, 0xe8], // f32x4.min
  [0x10e, 0xe9], // f32x4.max
  [0x10f, 0xf4], // f64x2.min
  [0x110, 0xf5], // f64x2.max
  [0x111, 0x82], // i16x8.q15mulr_sat_s
]);

/** Multiply, negate, add. */
const MULTIPLY_ADD = new Map([
  [0x105, [0xe6, null, 0xe4]], // f32x4.relaxed_madd
  [0x106, [0xe6, 0xe1, 0xe4]], // f32x4.relaxed_nmadd
  [0x107, [0xf2, null, 0xf0]], // f64x2.relaxed_madd
  [0x108, [0xf2, 0xed, 0xf0]], // f64x2.relaxed_nmadd
]);

const DOT_ADD = 0x113; // i32x4.relaxed_dot_i8x16_i7x16_add_s
const EVEN = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const ODD = EVEN.map((byte) => byte + 4);

export function leb(value) {
  const bytes = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value > 0);
  return bytes;
}

const simd = (opcode, ...rest) => [SIMD, ...leb(opcode), ...rest];

/** @param {number[]} spare indices of three locals of type v128 */
function replacement(opcode, [a, b, c]) {
  const get = (local) => [LOCAL_GET, ...leb(local)];
  const set = (local) => [LOCAL_SET, ...leb(local)];
  if (SAME_OPERANDS.has(opcode)) return simd(SAME_OPERANDS.get(opcode));
  if (MULTIPLY_ADD.has(opcode)) {
    const [multiply, negate, add] = MULTIPLY_ADD.get(opcode);
    return [...set(c), ...simd(multiply), ...(negate === null ? [] : simd(negate)), ...get(c), ...simd(add)];
  }
  if (opcode !== DOT_ADD) throw new Error(`no replacement for the relaxed SIMD instruction ${opcode}`);
  const products = (extmul) => [...get(a), ...get(b), ...simd(extmul), ...simd(0x7e)]; // i32x4.extadd_pairwise_i16x8_s
  return [
    ...[...set(c), ...set(b), ...set(a)],
    ...[...products(0x9c), ...products(0x9d)], // i16x8.extmul_low_i8x16_s, _high_
    ...[...set(b), LOCAL_TEE, ...leb(a), ...get(b), ...simd(SHUFFLE, ...EVEN)],
    ...[...get(a), ...get(b), ...simd(SHUFFLE, ...ODD)],
    ...[...simd(0xae), ...get(c), ...simd(0xae)], // i32x4.add
  ];
}

/** Reads a module's binary from a place on. */
class Reader {
  constructor(binary, at = 0) {
    this.binary = binary;
    this.at = at;
  }

  byte() {
    return this.binary[this.at++];
  }

  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  skipNumbers(count) {
    for (let i = 0; i < count; i++) this.number();
  }
}

/** Skip the immediates of the instruction whose opcode was read; returns the number of a SIMD instruction. */
function skipImmediates(reader, opcode) {
  if (opcode === SIMD) {
    const number = reader.number();
    if (number <= 11 || number === 0x5c || number === 0x5d) reader.skipNumbers(2);
    else if (number === 12 || number === SHUFFLE) reader.at += 16;
    else if (number >= 0x15 && number <= 0x22) reader.at += 1;
    else if (number >= 0x54 && number <= 0x5b) {
      reader.skipNumbers(2);
      reader.at += 1;
    }
    return number;
  }
  if (opcode === 0xfc) {
    const number = reader.number();
    reader.skipNumbers(number < 8 ? 0 : [8, 10, 12, 14].includes(number) ? 2 : 1);
  } else if (opcode === 0xfe) reader.skipNumbers(reader.number() === 3 ? 1 : 2);
  else if (opcode === 0x0e) reader.skipNumbers(reader.number() + 1);
  else if (opcode === 0x1c) reader.skipNumbers(reader.number());
  else if (opcode === 0x43) reader.at += 4;
  else if (opcode === 0x44) reader.at += 8;
  else if (opcode === 0x11 || opcode === 0x13 || (opcode >= 0x28 && opcode <= 0x3e)) reader.skipNumbers(2);
  else if (
    [0x02, 0x03, 0x04, 0x06, 0x07, 0x08, 0x09, 0x0c, 0x0d, 0x10, 0x12, 0x18, 0xd0, 0xd2].includes(opcode) ||
    (opcode >= 0x20 && opcode <= 0x26) ||
    (opcode >= 0x3f && opcode <= 0x42)
  )
    reader.number();
  else if (opcode === 0x1f) throw new Error("try_table is not known here: adapt this script");
  return null;
}

/**
 * How to make a module of strict SIMD alone.
 * @param {Uint8Array} binary
 * @returns `[{at, removed, bytes}]`, by place: instead of `removed` bytes at `at` write `bytes`
 */
export function strictEdits(binary) {
  const reader = new Reader(binary, 8);
  const parameters = []; // how many, by type
  const types = []; // of the functions
  const edits = [];
  while (reader.at < binary.length) {
    const section = reader.byte();
    const sizeAt = reader.at;
    const size = reader.number();
    const start = reader.at;
    if (section === TYPES)
      for (let left = reader.number(); left > 0; left--) {
        if (reader.byte() !== 0x60) throw new Error("a type is no function's: adapt this script");
        parameters.push(reader.number());
        reader.skipNumbers(parameters.at(-1));
        reader.skipNumbers(reader.number());
      }
    if (section === FUNCTIONS) for (let left = reader.number(); left > 0; left--) types.push(reader.number());
    if (section === CODE) {
      let grown = 0;
      const count = reader.number();
      for (let i = 0; i < count; i++) {
        const found = functionEdits(reader, parameters[types[i]]);
        edits.push(...found);
        grown += found.reduce((sum, { removed, bytes }) => sum + bytes.length - removed, 0);
      }
      edits.push({ at: sizeAt, removed: start - sizeAt, bytes: leb(size + grown) });
    }
    reader.at = start + size;
  }
  return edits.sort((a, b) => a.at - b.at);
}

function functionEdits(reader, parameters) {
  const sizeAt = reader.at;
  const size = reader.number();
  const start = reader.at;
  const groups = reader.number();
  const groupsEnd = reader.at;
  let locals = parameters;
  for (let i = 0; i < groups; i++) {
    locals += reader.number();
    reader.byte();
  }
  const localsEnd = reader.at;
  const spare = [locals, locals + 1, locals + 2];
  const edits = [];
  while (reader.at < start + size) {
    const { at } = reader;
    const number = skipImmediates(reader, reader.byte());
    if (number >= 0x100) edits.push({ at, removed: reader.at - at, bytes: replacement(number, spare) });
  }
  if (reader.at !== start + size) throw new Error(`a function at ${start} has unknown instructions: adapt this script`);
  if (!edits.length) return [];
  edits.unshift(
    { at: start, removed: groupsEnd - start, bytes: leb(groups + 1) },
    { at: localsEnd, removed: 0, bytes: [spare.length, V128] },
  );
  const grown = edits.reduce((sum, { removed, bytes }) => sum + bytes.length - removed, 0);
  return [{ at: sizeAt, removed: start - sizeAt, bytes: leb(size + grown) }, ...edits];
}

/** Edits as a file: for each, in LEB128, how far it is from the last one's end, what is removed, what is written. */
export function packEdits(edits) {
  let end = 0;
  const packed = edits.flatMap(({ at, removed, bytes }) => {
    const gap = at - end;
    end = at + removed;
    return [...leb(gap), ...leb(removed), ...leb(bytes.length), ...bytes];
  });
  return Uint8Array.from(packed);
}
