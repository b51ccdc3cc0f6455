// Runs models in turn in LiteRT.js, a picture at a time, and answers how long each run took.
self.onmessage = async ({ data: { wasmPath, urls, runs, threads } }) => {
  console.log = console.info = console.warn = console.debug;
  self.Module = {
    locateFile: (file) => wasmPath + file,
    mainScriptUrlOrBlob: `${wasmPath}litert_wasm_threaded_internal.js`,
    printErr: console.debug,
  };
  const { Tensor, loadAndCompile, loadLiteRt } = await import(`${wasmPath}litert_core.js`);
  await loadLiteRt(wasmPath, { threads: threads > 1 });
  const models = [];
  for (const url of urls) {
    const compiled = await loadAndCompile(url, { accelerator: "wasm", cpuOptions: { numThreads: threads } });
    const [{ shape }] = compiled.getInputDetails();
    const size = shape.reduce((a, b) => a * b, 1);
    models.push({ compiled, shape, input: Float32Array.from({ length: size }, (_, i) => (i * 7919) % 256), times: [] });
  }
  for (let run = 0; run < runs; run++)
    for (const { compiled, shape, input, times } of models) {
      const started = performance.now();
      const tensor = new Tensor(input, shape);
      const outputs = await compiled.run([tensor]);
      for (const output of outputs) output.toTypedArray();
      times.push(performance.now() - started);
      for (const owned of [tensor, ...outputs]) owned.delete();
    }
  self.postMessage(models.map(({ times }) => times));
};
