/**
 * `npm run runtime` and `npm pack` run it. Copies LiteRT.js and its WebAssembly from node_modules into wasm/, so that a
 * page needs nothing else.
 *
 * One build serves all pages: the threads' one. src/runtime.js says how.
 */

import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { packEdits, strictEdits } from "./relaxed_simd.mjs";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(web, "node_modules", "@litertjs");
const target = join(web, "wasm");
const BUILD = "litert_wasm_threaded_internal";

await rm(target, { recursive: true, force: true });
await mkdir(target);
for (const ending of ["js", "wasm"])
  await copyFile(join(modules, "core", "wasm", `${BUILD}.${ending}`), join(target, `${BUILD}.${ending}`));
const binary = await readFile(join(target, `${BUILD}.wasm`));
await writeFile(join(target, `${BUILD}.strict`), packEdits(strictEdits(binary)));
// Without a bundler or an import map, which workers don't have, a module is found by its path alone.
const core = await readFile(join(modules, "core", "dist", "index.js"), "utf8");
const utils = await readFile(join(modules, "wasm-utils", "dist", "index.js"), "utf8");
const withoutMap = (text) => text.replace(/^\/\/# sourceMappingURL=.*$/m, "");
const linked = core.replaceAll('"@litertjs/wasm-utils"', '"./litert_wasm_utils.js"');
if (linked === core) throw new Error("@litertjs/core imports @litertjs/wasm-utils no more: adapt this script");
await writeFile(join(target, "litert_core.js"), withoutMap(linked));
await writeFile(join(target, "litert_wasm_utils.js"), withoutMap(utils));
const { version, license } = JSON.parse(await readFile(join(modules, "core", "package.json"), "utf8"));
await writeFile(
  join(target, "NOTICE"),
  `LiteRT.js ${version} (@litertjs/core and @litertjs/wasm-utils, https://github.com/google-ai-edge/LiteRT),\n` +
    `Copyright Google LLC, licensed under ${license}: see ../LICENSE.\n` +
    "litert_core.js imports litert_wasm_utils.js by its path; the other files are unchanged.\n" +
    `${BUILD}.strict says how the WebAssembly is changed, in a browser without relaxed SIMD.\n`,
);
await copyFile(join(dirname(web), "LICENSE"), join(web, "LICENSE"));
console.log(`wasm/: ${(await readdir(target)).join(", ")}`);
