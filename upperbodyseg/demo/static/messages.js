// What page and server send each other; see messages.py: the length of a JSON header as four bytes,
// little-endian, the header, and the binary parts whose sizes it lists.

export const MEDIA_TYPE = "application/octet-stream";

/** A message as a Blob; `parts` are Blobs. */
export function pack(header, parts) {
  const text = JSON.stringify({ ...header, parts: parts.map((part) => part.size) });
  const json = new TextEncoder().encode(text);
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.length, true);
  return new Blob([length, json, ...parts]);
}

/** Header and parts (as Uint8Arrays) of a message in an ArrayBuffer. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let start = 4 + length;
  const parts = header.parts.map((size) => {
    const part = new Uint8Array(buffer, start, size);
    start += size;
    return part;
  });
  return { header, parts };
}
