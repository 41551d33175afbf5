// From an image to the network's input, and back to the image's own size: medseg_demo/segmenting/prepare.py in
// JavaScript. A tensor: { data: Float32Array, channels, height, width }, channel by channel.

const LUMINANCE = [0.299, 0.587, 0.114];

// The intensities as the network knows them, at the image's own size.
function toTensor(image, card) {
  const { width, height, pixels, channels: has } = image;
  const wanted = card.in_channels;
  const plane = width * height;
  const data = new Float32Array(plane * wanted);
  for (let i = 0; i < plane; i += 1) {
    const place = i * has;
    if (wanted < has) data[i] = LUMINANCE[0] * pixels[place] + LUMINANCE[1] * pixels[place + 1] + LUMINANCE[2] * pixels[place + 2];
    else for (let c = 0; c < wanted; c += 1) data[c * plane + i] = pixels[has === 1 ? i : place + c];
  }
  const tensor = { data, channels: wanted, height, width };
  if (card.normalisation.method === "zscore") standardise(data);
  else intoWindow(tensor, card.window || image.window, card.normalisation);
  return tensor;
}

function standardise(data) {
  let [sum, squares] = [0, 0];
  for (const value of data) sum += value;
  const mean = sum / data.length;
  for (const value of data) squares += (value - mean) ** 2;
  const deviation = Math.max(Math.sqrt(squares / (data.length - 1)), 1e-6);
  for (let i = 0; i < data.length; i += 1) data[i] = (data[i] - mean) / deviation;
}

const perChannel = (values, channel) => values[values.length === 1 ? 0 : channel];

function intoWindow({ data, channels }, [low, high], { mean, std }) {
  const plane = data.length / channels;
  for (let c = 0; c < channels; c += 1) {
    const [centre, width] = [perChannel(mean, c), perChannel(std, c)];
    for (let i = c * plane; i < (c + 1) * plane; i += 1) data[i] = (Math.min(Math.max((data[i] - low) / (high - low), 0), 1) - centre) / width;
  }
}

// Where an image lies in the network's input: its size after scaling, the first corner, the input's size.
function placementOf(image, card) {
  const [size, target] = [[image.height, image.width], card.input_size];
  let [resized, canvas] = [size, target];
  if (card.inference === "resize") {
    const scale = Math.min(...target.map((wanted, axis) => wanted / size[axis]));
    resized = size.map((length) => Math.max(1, roundHalfEven(length * scale)));
  } else {
    const given = card.spacing_mm && image.spacing;
    if (given) resized = size.map((length, axis) => Math.max(1, roundHalfEven((length * given[axis]) / card.spacing_mm[axis])));
    canvas = target.map((wanted, axis) => Math.max(wanted, resized[axis]));
  }
  const offset = canvas.map((whole, axis) => Math.floor((whole - resized[axis]) / 2));
  return { size, resized, offset, canvas };
}

function place(tensor, image, card) {
  const placement = placementOf(image, card);
  const scaled = resize(tensor, ...placement.resized);
  const { canvas: [height, width], resized, offset } = placement;
  if (resized[0] === height && resized[1] === width) return { placed: scaled, placement };
  const placed = { data: new Float32Array(tensor.channels * height * width), channels: tensor.channels, height, width };
  const isResized = card.inference === "resize";
  for (let c = 0, i = 0; c < tensor.channels; c += 1) {
    const source = scaled.data.subarray(c * resized[0] * resized[1], (c + 1) * resized[0] * resized[1]);
    const black = isResized ? blackOf(source, card.normalisation, c) : 0;
    for (let y = 0; y < height; y += 1) {
      const row = isResized ? inside(y - offset[0], resized[0]) : mirrored(y - offset[0], resized[0]);
      for (let x = 0; x < width; x += 1, i += 1) {
        const column = isResized ? inside(x - offset[1], resized[1]) : mirrored(x - offset[1], resized[1]);
        placed.data[i] = row < 0 || column < 0 ? black : source[row * resized[1] + column];
      }
    }
  }
  return { placed, placement };
}

const inside = (place, length) => (place < length ? place : -1);

// Reflection, which cannot be wider than the image itself: what is beyond repeats its last pixel.
function mirrored(place, length) {
  if (place < 0) return Math.min(-place, length - 1);
  return place < length ? place : Math.max(2 * (length - 1) - place, 0);
}

function blackOf(source, { method, mean, std }, channel) {
  return method === "window" ? -perChannel(mean, channel) / perChannel(std, channel) : extremes(source)[0];
}

// Linear interpolation, smoothed first where it shrinks: torch's bilinear with antialias.
function resize(tensor, height, width) {
  if (tensor.height === height && tensor.width === width) return tensor;
  const [across, down] = [weightsFor(tensor.width, width), weightsFor(tensor.height, height)];
  const { channels } = tensor;
  const narrow = new Float32Array(channels * tensor.height * width);
  for (let row = 0, i = 0; row < channels * tensor.height; row += 1) {
    const start = row * tensor.width;
    for (let x = 0; x < width; x += 1, i += 1) {
      const { first, weights } = across[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k += 1) sum += weights[k] * tensor.data[start + first + k];
      narrow[i] = sum;
    }
  }
  const data = new Float32Array(channels * height * width);
  for (let c = 0, i = 0; c < channels; c += 1) {
    for (let y = 0; y < height; y += 1) {
      const { first, weights } = down[y];
      for (let x = 0; x < width; x += 1, i += 1) {
        let [sum, at] = [0, (c * tensor.height + first) * width + x];
        for (let k = 0; k < weights.length; k += 1, at += width) sum += weights[k] * narrow[at];
        data[i] = sum;
      }
    }
  }
  return { data, channels, height, width };
}

// For each place of the result: the first place of the source that counts, and the weights from there on.
function weightsFor(from, to) {
  const scale = from / to;
  const support = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = scale * (i + 0.5);
    const first = Math.max(Math.floor(centre - support + 0.5), 0);
    const count = Math.min(Math.floor(centre + support + 0.5), from) - first;
    const weights = Float64Array.from({ length: count }, (__, k) => Math.max(0, 1 - Math.abs(k + first - centre + 0.5) / support));
    const sum = weights.reduce((total, one) => total + one, 0);
    return { first, weights: weights.map((one) => one / sum) };
  });
}

// Probabilities in the network's size → in the image's own.
function restore(tensor, { size, resized, offset }) {
  const { channels, width } = tensor;
  const cut = new Float32Array(channels * resized[0] * resized[1]);
  for (let row = 0; row < channels * resized[0]; row += 1) {
    const [c, y] = [Math.floor(row / resized[0]), row % resized[0]];
    const start = (c * tensor.height + y + offset[0]) * width + offset[1];
    cut.set(tensor.data.subarray(start, start + resized[1]), row * resized[1]);
  }
  return resize({ data: cut, channels, height: resized[0], width: resized[1] }, ...size);
}
