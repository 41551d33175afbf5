// Which pixels of a slice a shape covers: those whose centres lie in it.

// Along a line, within a radius (in sides of the shorter pixel, `sides` being [down, right]), and the pixel at its end.
function pixelsAlong({ width, height }, from, to, radius, sides) {
  const [sy, sx] = sides.map((side) => side / Math.min(...sides));
  const range = (one, other, reach, length) => [Math.max(0, Math.floor(Math.min(one, other) - reach)), Math.min(length - 1, Math.floor(Math.max(one, other) + reach))];
  const [left, right] = range(from.x, to.x, radius / sx, width);
  const [top, bottom] = range(from.y, to.y, radius / sy, height);
  const [dx, dy] = [(to.x - from.x) * sx, (to.y - from.y) * sy];
  const pixels = [];
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const [px, py] = [(x + 0.5 - from.x) * sx, (y + 0.5 - from.y) * sy];
      const share = Math.min(Math.max((px * dx + py * dy) / (dx * dx + dy * dy || 1), 0), 1);
      if (Math.hypot(px - share * dx, py - share * dy) <= radius) pixels.push(y * width + x);
    }
  }
  const [x, y] = [Math.floor(to.x), Math.floor(to.y)];
  if (x >= 0 && y >= 0 && x < width && y < height) pixels.push(y * width + x);
  return pixels;
}

// Inside a closed line of corners, also where it crosses itself (winding number not 0).
function pixelsWithin({ width, height }, corners) {
  const pixels = [];
  for (let y = 0; y < height; y += 1) {
    const middle = y + 0.5;
    const crossings = corners.flatMap((from, i) => {
      const to = corners[(i + 1) % corners.length];
      if ((from.y <= middle) === (to.y <= middle)) return [];
      return [{ x: from.x + ((middle - from.y) / (to.y - from.y)) * (to.x - from.x), turn: from.y < to.y ? 1 : -1 }];
    }).sort((a, b) => a.x - b.x);
    let winding = 0;
    for (let i = 0; i + 1 < crossings.length; i += 1) {
      winding += crossings[i].turn;
      if (!winding) continue;
      const end = Math.min(width, Math.ceil(crossings[i + 1].x - 0.5));
      for (let x = Math.max(0, Math.ceil(crossings[i].x - 0.5)); x < end; x += 1) pixels.push(y * width + x);
    }
  }
  return pixels;
}

// The pixels of one value that hang together by their sides, from one of them on; `allows` may leave some out.
function pixelsAround({ data, width }, start, allows = () => true) {
  const seen = new Uint8Array(data.length);
  const pixels = [start];
  seen[start] = 1;
  for (let next = 0; next < pixels.length; next += 1) {
    const i = pixels[next];
    const x = i % width;
    for (const [j, inside] of [[i - 1, x > 0], [i + 1, x < width - 1], [i - width, i >= width], [i + width, i + width < data.length]]) {
      if (!inside || seen[j] || data[j] !== data[start] || !allows(j)) continue;
      seen[j] = 1;
      pixels.push(j);
    }
  }
  return pixels;
}
