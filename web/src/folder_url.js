import { InputError } from "./errors.js";

/** A folder's URL, whole and with a slash at its end, from the option `name`. */
export function folderUrl(name, path) {
  try {
    return new URL(`${String(path).replace(/\/*$/, "")}/`, document.baseURI).href;
  } catch {
    throw new InputError(`${name} must be a folder's URL, got ${String(path)}`);
  }
}
