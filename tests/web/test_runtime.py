"""How the browser's package changes LiteRT.js' one build for pages without threads or relaxed SIMD."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from web_server import WEB

BUILD = WEB / "wasm" / "litert_wasm_threaded_internal.wasm"


def test_the_strict_build_has_no_relaxed_simd(page: Any) -> None:
    script = """async () => {
        const BUILD = "litert_wasm_threaded_internal";
        const { edited, withoutSharing } = await import("/src/runtime.js");
        const get = async (ending) =>
            new Uint8Array(await (await fetch(`/wasm/${BUILD}.${ending}`)).arrayBuffer());
        const build = await get("wasm");
        const strict = edited(build, await get("strict"));
        const sound = [WebAssembly.validate(build), WebAssembly.validate(strict)];
        const before = strict.slice();
        withoutSharing(strict);
        const changed = strict.reduce((sum, byte, at) => sum + (byte !== before[at]), 0);
        return [...sound, WebAssembly.validate(strict), changed];
    }"""
    assert page.evaluate(script) == [True, True, True, 1]
    node = shutil.which("node")
    if node is None or not BUILD.exists():
        pytest.skip("no Node.js: it finds the instructions")
    # What is strict has nothing left to edit.
    again = """
        import { readFile } from "node:fs/promises";
        import { edited } from "./src/runtime.js";
        import { packEdits, strictEdits } from "./scripts/relaxed_simd.mjs";
        const binary = new Uint8Array(await readFile(process.argv[1]));
        const edits = strictEdits(binary);
        const left = strictEdits(edited(binary, packEdits(edits)));
        console.log(edits.length, left.filter(({ removed }) => removed).length);
    """
    ran = subprocess.run(
        [node, "--input-type=module", "--eval", again, str(BUILD)],
        capture_output=True,
        text=True,
        check=True,
        cwd=WEB,
    )
    edits, left = map(int, ran.stdout.split())
    assert edits > 1000
    assert left == 1  # the code section's size, as it is


RELAXED = """async ([operands, opcode, count]) => {
    const { edited } = await import("/src/runtime.js");
    const { packEdits, strictEdits } = await import("/scripts/relaxed_simd.mjs");
    // (func (param i32 ...) (v128.store (i32.const 0) (OPCODE (v128.load (i32.const 16)) ...)))
    const code = [0, 65, 0];
    for (let i = 0; i < count; i++) code.push(65, 128 | (16 * (i + 1)), 0, 253, 0, 4, 0);
    code.push(253, (opcode & 127) | 128, opcode >> 7, 253, 11, 4, 0, 11);
    const binary = Uint8Array.of(
        ...[0, 97, 115, 109, 1, 0, 0, 0],
        ...[1, 4, 1, 96, 0, 0],
        ...[2, 8, 1, 1, 109, 1, 109, 2, 0, 1],
        ...[3, 2, 1, 0],
        ...[7, 5, 1, 1, 102, 0, 0],
        ...[10, code.length + 2, 1, code.length, ...code],
    );
    const results = [];
    for (const module of [binary, edited(binary, packEdits(strictEdits(binary)))]) {
        const memory = new WebAssembly.Memory({ initial: 1 });
        const bytes = new Uint8Array(memory.buffer);
        operands.forEach((operand, i) => bytes.set(operand, 16 * (i + 1)));
        const { instance } = await WebAssembly.instantiate(module, { m: { m: memory } });
        instance.exports.f();
        results.push([...bytes.slice(0, 16)]);
    }
    return results;
}"""

HALVES = [0, 0, 0, 63, 0, 0, 192, 63, 0, 0, 0, 191, 0, 0, 32, 64]  # 0.5, 1.5, -0.5, 2.5 in float32
TWOS = [0, 0, 0, 64] * 4
SMALL = [1, 2, 3, 4, 255, 254, 253, 252, 100, 90, 80, 70, 156, 166, 176, 186]
SEVEN_BITS = [9, 8, 7, 6, 5, 4, 3, 2, 127, 126, 125, 124, 1, 3, 5, 7]


@pytest.mark.parametrize(
    ("opcode", "operands"),
    [
        (0x100, [SMALL, list(range(15, -1, -1))]),  # i8x16.relaxed_swizzle
        (0x101, [HALVES]),  # i32x4.relaxed_trunc_f32x4_s
        (0x105, [HALVES, TWOS, HALVES]),  # f32x4.relaxed_madd
        (0x106, [HALVES, TWOS, HALVES]),  # f32x4.relaxed_nmadd
        (0x10B, [SMALL, SEVEN_BITS, [255] * 4 + [0] * 12]),  # i32x4.relaxed_laneselect
        (0x10D, [HALVES, TWOS]),  # f32x4.relaxed_min
        (0x113, [SMALL, SEVEN_BITS, list(range(16))]),  # i32x4.relaxed_dot_i8x16_i7x16_add_s
    ],
)
def test_strict_instructions_give_what_the_relaxed_ones_do(
    page: Any, opcode: int, operands: list[list[int]]
) -> None:
    relaxed, strict = page.evaluate(RELAXED, [operands, opcode, len(operands)])
    assert strict == relaxed
    assert any(strict)
