import type { ImageType, SegmenterOptions } from "./index.js";

export interface HumanXOptions extends SegmenterOptions {
  /** Called with the URLs of the package's `wasm/` and `weights/`; gives those to load from. */
  locateFile?: (path: string) => string;
}

export interface HumanXModule {
  /** A pointer to as many bytes of `HEAPU8`; 0 where none are left. */
  _malloc(size: number): number;
  _free(pointer: number): void;
  /** All of the memory; read it anew after a `_malloc()`, which may have made it grow. */
  readonly HEAPU8: Uint8Array;
  readonly ImageType: typeof ImageType;
}

export declare function HumanXNative(options?: HumanXOptions): Promise<HumanXModule>;

export interface ProcessResult {
  success: boolean;
  timestamp: number;
  segmentationMaskWidth: number;
  segmentationMaskHeight: number;
  segmentationMaskStep: number;
  /** Pointer into `HEAPU8`, valid until the next `process()` or `destroy()`; 0 without success. */
  segmentationMask: number;
  /** Why there was no success. */
  error?: string;
}

export declare class CoreAIUpperBodySegmentation {
  constructor(wasmModule: HumanXModule);
  /** Why `initialize()` gave false; null before. */
  readonly error: Error | null;
  initialize(): Promise<boolean>;
  isInitialized(): Promise<boolean>;
  isProcessing(): boolean;
  process(
    timestamp: number,
    dataPtr: number,
    dataSize: number,
    width: number,
    height: number,
    stride: number,
    imageType: number,
    isStill: boolean,
    blurSigma?: number,
  ): Promise<ProcessResult>;
  destroy(): void;
}
