/** What of a mask is marked: its bounding box, and its connected pieces. */

/**
 * The smallest box round what reaches a level.
 * @returns `{x0, y0, x1, y1}`, half-open, or null where nothing does
 */
export function markedBox(mask, width, height, level = 1) {
  let x0 = width;
  let x1 = 0;
  let y0 = -1;
  let y1 = 0;
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let left = 0;
    while (left < width && mask[row + left] < level) left++;
    if (left === width) continue;
    let right = width - 1;
    while (mask[row + right] < level) right--;
    if (y0 < 0) y0 = y;
    y1 = y + 1;
    if (left < x0) x0 = left;
    if (right >= x1) x1 = right + 1;
  }
  return y0 < 0 ? null : { x0, y0, x1, y1 };
}

/**
 * The pieces of what is not 0, pixels touching by side or corner.
 * @param {Uint8Array} cells `width * height`; set to 0
 * @returns `[{x0, y0, x1, y1, area}]`, half-open
 */
export function takePieces(cells, width, height) {
  const pieces = [];
  const open = [];
  for (let start = 0; start < cells.length; start++) {
    if (!cells[start]) continue;
    const piece = { x0: width, y0: height, x1: 0, y1: 0, area: 0 };
    cells[start] = 0;
    open.push(start);
    while (open.length) {
      const at = open.pop();
      const y = Math.floor(at / width);
      const x = at - y * width;
      piece.area++;
      if (x < piece.x0) piece.x0 = x;
      if (x >= piece.x1) piece.x1 = x + 1;
      if (y < piece.y0) piece.y0 = y;
      if (y >= piece.y1) piece.y1 = y + 1;
      for (let ny = Math.max(y - 1, 0); ny <= Math.min(y + 1, height - 1); ny++)
        for (let nx = Math.max(x - 1, 0); nx <= Math.min(x + 1, width - 1); nx++) {
          const next = ny * width + nx;
          if (cells[next]) {
            cells[next] = 0;
            open.push(next);
          }
        }
    }
    pieces.push(piece);
  }
  return pieces;
}
