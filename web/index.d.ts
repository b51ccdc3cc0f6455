/** How the bytes of a frame are laid out; the first five are the original SDK's, with its numbers. */
export declare const ImageType: Readonly<{
  /** Three bytes a pixel: blue, green, red. */
  BGR_888: 0;
  /** Three bytes a pixel: red, green, blue. */
  RGB_888: 1;
  /** NV21: luma rows, then half as many rows of V, U pairs. BT.601, limited range. The last byte may be missing. */
  YUV_420_888: 2;
  /** Four bytes a pixel; alpha is ignored. A canvas has this. */
  RGBA_8888: 3;
  /** Four bytes a pixel; alpha is ignored. */
  BGRA_8888: 4;
  /** As YUV_420_888, the pairs being U, V. */
  NV12: 5;
  /** Luma rows, then half as many rows of U, then of V, each of half the luma stride (rounded up). */
  I420: 6;
}>;
export type ImageTypeName = keyof typeof ImageType;
export type ImageTypeNumber = (typeof ImageType)[ImageTypeName];

/** Base of every error of this package. */
export declare class UpperBodySegError extends Error {}
/** What the caller gave can't be used; nothing was computed and no state has changed. */
export declare class InputError extends UpperBodySegError {}
/** The frame has more pixels than `maxPixels`. */
export declare class ImageTooLargeError extends InputError {}
/** The weights or the runtime failed. */
export declare class ModelError extends UpperBodySegError {}
/** A file of the weights or of the runtime can't be fetched. */
export declare class ModelNotFoundError extends ModelError {}
/** A weight file does not have the hash, the format or the tensors that it should have. */
export declare class ModelFormatError extends ModelError {}
/** The runtime failed while it ran a model. */
export declare class InferenceError extends ModelError {}
/** The segmenter was used after `close()`. */
export declare class EngineStateError extends UpperBodySegError {}

export interface SegmenterOptions {
  /** Default "fast". The accurate pair's files don't come with the package: see its README. */
  model?: "fast" | "accurate";
  /** URL of the package's folder; default: where `index.js` lies. A bundler moves that, so it needs this one. */
  packagePath?: string | URL;
  /** URL of the WebAssembly's folder; default: the package's own `wasm/`. */
  wasmPath?: string | URL;
  /** URL of the pairs' folders' folder; default: the package's own `weights/`. */
  weightsPath?: string | URL;
  /**
   * Threads of one inference, 1-256; default 2. Pages that aren't cross-origin isolated have one, and so have browsers
   * without relaxed SIMD.
   */
  threads?: number;
  /** Score, 0-1, that the best detection in a frame reaches; null (default) is the measured value. */
  scoreThreshold?: number | null;
  /** Let the mask's edges follow the frame's; null (default): yes, but for stream frames with "fast". */
  refine?: boolean | null;
  /** Segment each region of a still twice, the second time mirrored; default false. */
  testTimeAugmentation?: boolean;
  /** In streams, let the mask change only where the picture does; default true. */
  temporalSmoothing?: boolean;
  /** Frames with more pixels are refused; default 100 million. */
  maxPixels?: number;
}

export interface ProcessOptions {
  /** Handed back with the mask; default 0. */
  timestamp?: number;
  /** A picture by itself rather than the next frame of the stream; default false. */
  isStill?: boolean;
  /** Standard deviation of the mask's Gaussian blur in frame pixels, 0-1000; default 0.5. */
  blurSigma?: number;
}

/** A frame in memory. Its bytes are copied before `process()` returns its promise. */
export interface FrameBytes extends ProcessOptions {
  data: Uint8Array | Uint8ClampedArray | DataView | ArrayBufferLike;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** Bytes from one row to the next; 0 (default) means no padding. */
  stride?: number;
  /** Default RGBA_8888. */
  imageType?: ImageTypeNumber | ImageTypeName;
}

/** What `process()` takes. Pictures of the browser stay the caller's, who closes them. */
export type FrameInput = ImageData | ImageBitmap | VideoFrame | FrameBytes;

export interface DetectedPerson {
  /** `[x_min, y_min, x_max, y_max]` in frame pixels. */
  box: [number, number, number, number];
  /** 0-1. */
  score: number;
}

export interface SegmentationOutput {
  success: true;
  timestamp: number;
  /** `width * height` levels: 255 person, 0 background, 1-254 soft edge. The caller's own. */
  mask: Uint8ClampedArray;
  width: number;
  height: number;
  persons: DetectedPerson[];
  /**
   * The regions of the frame that were segmented and kept, `[x_min, y_min, x_max, y_max]` in whole frame pixels,
   * half-open. The mask is 0 elsewhere, but for its blur. Without people there are none.
   */
  regions: [number, number, number, number][];
  /** How long the frame took in the worker, without the waiting and the copying. */
  milliseconds: number;
}

/**
 * Cuts the people out of frames, in a worker. One for each stream.
 *
 * Stills leave nothing behind. Other frames are one stream's: people are followed from frame to frame. A frame of
 * another size or layout starts a new stream, and so does `reset()`.
 */
export declare class UpperBodySegmenter {
  private constructor();
  /**
   * Load the models.
   * @throws InputError for options that can't be used, ModelError where files are missing or damaged
   */
  static create(options?: SegmenterOptions): Promise<UpperBodySegmenter>;
  /** Threads of one inference that are used. */
  readonly threads: number;
  /** Whether a frame is being processed or waits to be. */
  readonly isProcessing: boolean;
  /**
   * Segment one frame. Frames are processed in the order of the calls. Nobody in the frame is a success with a mask
   * of zeros.
   * @throws InputError, ImageTooLargeError, EngineStateError, InferenceError
   */
  process(frame: FrameInput, options?: ProcessOptions): Promise<SegmentationOutput>;
  /** Forget the stream. */
  reset(): Promise<void>;
  /** Let go of the models, after the frames in progress. A second call does nothing. */
  close(): Promise<void>;
}
