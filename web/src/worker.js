// A classic worker: LiteRT.js loads its WebAssembly by importScripts(), which modules don't have.
const host = import("./host.js");
self.onmessage = async (event) => (await host).handle(event);
