// Compiled, not run: the type declarations say what callers write.
import { ImageType, InputError, UpperBodySegmenter } from "../index.js";
import { CoreAIUpperBodySegmentation, HumanXNative } from "../original.js";

export async function modern(picture: ImageData, frame: VideoFrame, bytes: Uint8Array): Promise<number> {
  const segmenter = await UpperBodySegmenter.create({ model: "fast", wasmPath: "/wasm/", threads: 2 });
  try {
    await segmenter.process(picture, { isStill: true });
    await segmenter.process(frame, { timestamp: frame.timestamp, blurSigma: 1 });
    const { mask, persons } = await segmenter.process({
      data: bytes,
      width: 64,
      height: 48,
      imageType: ImageType.NV12,
    });
    return mask.length + persons.reduce((sum, { box, score }) => sum + box[0] * score, 0);
  } catch (error) {
    if (error instanceof InputError) return 0;
    throw error;
  } finally {
    await segmenter.close();
  }
}

export async function original(rgba: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const wasmModule = await HumanXNative({ locateFile: (path) => path });
  const seg = new CoreAIUpperBodySegmentation(wasmModule);
  if (!(await seg.initialize())) throw new Error("initialize failed");
  const pointer = wasmModule._malloc(rgba.length);
  wasmModule.HEAPU8.set(rgba, pointer);
  const type = Number(wasmModule.ImageType.RGBA_8888);
  const result = await seg.process(0, pointer, rgba.length, width, height, width * 4, type, true, 0.5);
  wasmModule._free(pointer);
  const start = result.segmentationMask;
  const mask = wasmModule.HEAPU8.slice(start, start + result.segmentationMaskStep * height);
  seg.destroy();
  return mask;
}

// @ts-expect-error there is no such model
void UpperBodySegmenter.create({ model: "slow" });
// @ts-expect-error a frame is no text
void UpperBodySegmenter.create().then((segmenter) => segmenter.process("frame"));
