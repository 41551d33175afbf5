// An image and a network → probabilities and a label map: medseg_demo/segmenting/{windows,decide}.py in JavaScript.

const OVERLAP = 0.25;
const FLIPS = [[false, false], [true, false], [false, true], [true, true]];

// `run` takes one tile { data, channels, height, width } and gives its logits; `progress` is told (done, total) and waited
// for, so that who waits outside may stop the work by an error.
async function predict(placed, card, { flips, run, progress }) {
  const [tileHeight, tileWidth] = card.input_size;
  const { height, width } = placed;
  const windows = startsOf(height, tileHeight).flatMap((top) => startsOf(width, tileWidth).map((left) => [top, left]));
  const turns = flips ? FLIPS : FLIPS.slice(0, 1);
  const weight = windows.length === 1 ? new Float32Array(tileHeight * tileWidth).fill(1) : gaussian(tileHeight, tileWidth);
  const coverage = new Float32Array(height * width);
  const total = { data: new Float32Array(card.outputs * height * width), channels: card.outputs, height, width };
  for (const [number, [top, left]] of windows.entries()) {
    const tile = cutTile(placed, top, left, tileHeight, tileWidth);
    const sum = new Float32Array(card.outputs * tileHeight * tileWidth);
    for (const turn of turns) {
      const found = flipped(activated(await run(flipped(tile, turn)), card), turn);
      for (let i = 0; i < sum.length; i += 1) sum[i] += found.data[i] / turns.length;
    }
    addTile(total, coverage, { data: sum, weight, top, left, tileHeight, tileWidth });
    await progress(number + 1, windows.length);
  }
  for (let i = 0; i < total.data.length; i += 1) total.data[i] /= coverage[i % coverage.length];
  return total;
}

// Evenly spread starts whose windows cover the length with at least OVERLAP.
function startsOf(length, side) {
  if (length <= side) return [0];
  const steps = Math.ceil((length - side) / Math.max(1, roundHalfEven(side * (1 - OVERLAP))));
  return Array.from({ length: steps + 1 }, (_, step) => roundHalfEven((step * (length - side)) / steps));
}

// Weights of a tile's pixels: 1 at the centre, sigma an eighth of each side, never quite 0.
function gaussian(height, width) {
  const along = (side) => Float64Array.from({ length: side }, (_, i) => Math.exp(-0.5 * (((i + 0.5) / side - 0.5) * 8) ** 2));
  const [down, across] = [along(height), along(width)];
  return Float32Array.from({ length: height * width }, (_, i) => Math.max(down[Math.floor(i / width)] * across[i % width], 1e-3));
}

function cutTile({ data, channels, height, width }, top, left, tileHeight, tileWidth) {
  const tile = new Float32Array(channels * tileHeight * tileWidth);
  for (let row = 0; row < channels * tileHeight; row += 1) {
    const start = (Math.floor(row / tileHeight) * height + top + (row % tileHeight)) * width + left;
    tile.set(data.subarray(start, start + tileWidth), row * tileWidth);
  }
  return { data: tile, channels, height: tileHeight, width: tileWidth };
}

function addTile(total, coverage, { data, weight, top, left, tileHeight, tileWidth }) {
  const { channels, height, width } = total;
  for (let c = 0, i = 0; c < channels; c += 1) {
    for (let y = 0, j = 0; y < tileHeight; y += 1) {
      let place = (top + y) * width + left;
      for (let x = 0; x < tileWidth; x += 1, i += 1, j += 1, place += 1) {
        total.data[c * height * width + place] += data[i] * weight[j];
        if (c === 0) coverage[place] += weight[j];
      }
    }
  }
}

function flipped(tensor, [isAcross, isDown]) {
  if (!isAcross && !isDown) return tensor;
  const { data, channels, height, width } = tensor;
  const turned = new Float32Array(data.length);
  for (let c = 0, i = 0; c < channels; c += 1)
    for (let y = 0; y < height; y += 1)
      for (let x = 0; x < width; x += 1, i += 1) turned[i] = data[(c * height + (isDown ? height - 1 - y : y)) * width + (isAcross ? width - 1 - x : x)];
  return { ...tensor, data: turned };
}

// Logits → probabilities, unless the network gives these itself.
function activated(logits, card) {
  const { data, channels } = logits;
  if (card.activated) return logits;
  if (!card.has_background) return { ...logits, data: data.map((one) => 1 / (1 + Math.exp(-one))) };
  const plane = data.length / channels;
  const shares = new Float32Array(data.length);
  for (let i = 0; i < plane; i += 1) {
    let [most, sum] = [-Infinity, 0];
    for (let c = 0; c < channels; c += 1) most = Math.max(most, data[c * plane + i]);
    for (let c = 0; c < channels; c += 1) sum += shares[c * plane + i] = Math.exp(data[c * plane + i] - most);
    for (let c = 0; c < channels; c += 1) shares[c * plane + i] /= sum;
  }
  return { ...logits, data: shares };
}

// The probabilities of the foreground classes in half precision, one map a class, as a result keeps them; and of several
// classes which one is most probable, which rounding must not decide.
function keptOf({ data, channels, height, width }, card) {
  const plane = height * width;
  const first = Number(card.has_background);
  const maps = card.class_names.map((_, c) => data.subarray((first + c) * plane, (first + c + 1) * plane).map(toHalf));
  return { maps, height, width, winners: card.takes_threshold ? null : winnersOf(data, channels, plane) };
}

function winnersOf(data, channels, plane) {
  const winners = new Uint8Array(plane);
  for (let i = 0; i < plane; i += 1)
    for (let c = 1; c < channels; c += 1) if (data[c * plane + i] > data[winners[i] * plane + i]) winners[i] = c;
  return winners;
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

// The nearest number of half precision, of 0 to 1: 1024 steps to the next power of two, 2^-24 at the least.
function toHalf(value) {
  single[0] = value;
  bits[0] &= 0x7f800000; // leaves the power of two below
  const step = Math.max(single[0] / 1024, 2 ** -24);
  return roundHalfEven(value / step) * step;
}

function decide({ maps, height, width, winners }, { threshold, smallest, fill }) {
  const limit = Math.fround(threshold);
  const labels = winners ? winners.slice() : converted(maps[0], Uint8Array, (one) => (one > limit ? 1 : 0));
  for (let value = 1; value <= maps.length; value += 1) {
    if (smallest > 1) for (const part of partsOf(labels, width, value)) if (part.length < smallest) for (const i of part) labels[i] = 0;
    if (fill) fillHoles(labels, height, width, value);
  }
  return labels;
}

// The face-connected parts of a class, each as the places of its pixels, in the order of their first ones.
function partsOf(labels, width, value) {
  const seen = new Uint8Array(labels.length);
  const parts = [];
  for (let start = 0; start < labels.length; start += 1) {
    if (labels[start] !== value || seen[start]) continue;
    parts.push(Int32Array.from(flooded(start, labels.length, width, (i) => !seen[i] && labels[i] === value && (seen[i] = 1))));
  }
  return parts;
}

// The places that can be reached from one; `enters` says whether a place may be entered, and must say so only once.
function flooded(start, count, width, enters) {
  const reached = enters(start) ? [start] : [];
  for (let next = 0; next < reached.length; next += 1) {
    const i = reached[next];
    const x = i % width;
    if (x > 0 && enters(i - 1)) reached.push(i - 1);
    if (x < width - 1 && enters(i + 1)) reached.push(i + 1);
    if (i >= width && enters(i - width)) reached.push(i - width);
    if (i < count - width && enters(i + width)) reached.push(i + width);
  }
  return reached;
}

// Background that a class encloses becomes that class; other classes stay.
function fillHoles(labels, height, width, value) {
  const outside = new Uint8Array(labels.length);
  const enters = (i) => !outside[i] && labels[i] !== value && (outside[i] = 1);
  for (let x = 0; x < width; x += 1) for (const i of [x, (height - 1) * width + x]) flooded(i, labels.length, width, enters);
  for (let y = 0; y < height; y += 1) for (const i of [y * width, (y + 1) * width - 1]) flooded(i, labels.length, width, enters);
  for (let i = 0; i < labels.length; i += 1) if (!outside[i] && labels[i] === 0) labels[i] = value;
}
