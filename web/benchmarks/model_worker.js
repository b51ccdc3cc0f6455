// Runs a model in LiteRT.js, a picture at a time, and answers how long each run took.
self.onmessage = ({ data }) =>
  timesOf(data).then(
    (times) => self.postMessage({ times }),
    (error) => self.postMessage({ error: error.message }),
  );

async function timesOf({ wasmPath, url, runs, threads }) {
  const { loadRuntime } = await import("../src/runtime.js");
  const { Tensor, loadAndCompile } = await loadRuntime(wasmPath, threads);
  const compiled = await loadAndCompile(url, { accelerator: "wasm", cpuOptions: { numThreads: threads } });
  const [{ shape }] = compiled.getInputDetails();
  const size = shape.reduce((a, b) => a * b, 1);
  const input = Float32Array.from({ length: size }, (_, i) => (i * 7919) % 256);
  const times = [];
  for (let run = 0; run < runs; run++) {
    const started = performance.now();
    const tensor = new Tensor(input, shape);
    const outputs = await compiled.run([tensor]);
    for (const output of outputs) output.toTypedArray();
    times.push(performance.now() - started);
    for (const owned of [tensor, ...outputs]) owned.delete();
  }
  return times;
}
