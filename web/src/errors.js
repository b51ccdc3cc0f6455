/** Base of every error of this package. */
export class UpperBodySegError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** What the caller gave can't be used; nothing was computed and no state has changed. */
export class InputError extends UpperBodySegError {}

/** The frame has more pixels than `maxPixels`; nothing was allocated. */
export class ImageTooLargeError extends InputError {}

/** The weights or the runtime that executes them failed. */
export class ModelError extends UpperBodySegError {}

/** A weight file, its description, or a file of the runtime can't be fetched. */
export class ModelNotFoundError extends ModelError {}

/** A weight file does not have the hash, the format or the tensors that it should have. */
export class ModelFormatError extends ModelError {}

/** The runtime failed while it ran a model. */
export class InferenceError extends ModelError {}

/** The segmenter was used after `close()`. */
export class EngineStateError extends UpperBodySegError {}

const BY_NAME = {
  UpperBodySegError,
  InputError,
  ImageTooLargeError,
  ModelError,
  ModelNotFoundError,
  ModelFormatError,
  InferenceError,
  EngineStateError,
};

/** An error as plain data, to be sent between threads. */
export function packError(error) {
  return { name: error?.name ?? "Error", message: error?.message ?? String(error) };
}

/** The error that `packError` was given; one of another kind becomes an `UpperBodySegError`. */
export function unpackError({ name, message }) {
  const Kind = BY_NAME[name];
  return Kind ? new Kind(message) : new UpperBodySegError(`${name}: ${message}`);
}
