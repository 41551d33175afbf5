// PNG by its bytes, since a canvas knows 8 bits only and may change them. Source: PNG specification, third edition.

const PNG_SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const PALETTE = 3;
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

async function readPng(bytes) {
  const chunks = pngChunks(bytes);
  const head = new DataView(chunks.IHDR.buffer, chunks.IHDR.byteOffset);
  const [width, height, bits, colour, isInterlaced] = [head.getUint32(0), head.getUint32(4), head.getUint8(8), head.getUint8(9), head.getUint8(12)];
  checkSize(width, height);
  const channels = PNG_SAMPLES[colour];
  if (!channels || ![1, 2, 4, 8, 16].includes(bits)) throw new Refusal(DAMAGED);
  const data = await inflated(new Blob(chunks.IDAT), "deflate");
  const pixels = new (bits === 16 ? Uint16Array : Uint8Array)(width * height * channels);
  let place = 0;
  for (const [left, top, right, down] of isInterlaced ? PASSES : [[0, 0, 1, 1]]) {
    const [columns, rows] = [Math.ceil((width - left) / right), Math.ceil((height - top) / down)];
    if (columns <= 0 || rows <= 0) continue;
    const row = Math.ceil((columns * channels * bits) / 8);
    if (place + rows * (row + 1) > data.length) throw new Refusal(DAMAGED);
    const samples = samplesOf(unfiltered(data, place, rows, row, Math.max(1, (channels * bits) >> 3)), rows, row, columns * channels, bits);
    place += rows * (row + 1);
    for (let y = 0, i = 0; y < rows; y += 1)
      for (let x = 0; x < columns; x += 1)
        for (let c = 0; c < channels; c += 1, i += 1) pixels[((top + y * down) * width + left + x * right) * channels + c] = samples[i];
  }
  const image = { width, height, channels, pixels, bits };
  if (colour === PALETTE) return lookedUp(image, chunks);
  return chunks.tRNS && colour < PALETTE ? withTransparent(image, chunks.tRNS) : image;
}

function pngChunks(bytes) {
  const chunks = { IDAT: [] };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let place = 8; place + 12 <= bytes.length; ) {
    const [length, kind] = [view.getUint32(place), lettersAt(bytes, place + 4, 4)];
    const content = bytes.subarray(place + 8, place + 8 + length);
    if (content.length < length) break;
    if (kind === "IDAT") chunks.IDAT.push(content);
    else chunks[kind] ??= content;
    if (kind === "IEND") break;
    place += 12 + length;
  }
  if (!chunks.IEND || chunks.IHDR?.length !== 13 || !chunks.IDAT.length) throw new Refusal(DAMAGED);
  return chunks;
}

// Rows without their filters, which each row names in its first byte.
function unfiltered(data, start, rows, row, step) {
  const result = new Uint8Array(rows * row);
  for (let y = 0; y < rows; y += 1) {
    const filter = data[start + y * (row + 1)];
    const [from, to] = [start + y * (row + 1) + 1, y * row];
    for (let x = 0; x < row; x += 1) {
      const left = x >= step ? result[to + x - step] : 0;
      const up = y ? result[to + x - row] : 0;
      const corner = x >= step && y ? result[to + x - row - step] : 0;
      result[to + x] = data[from + x] + [0, left, up, (left + up) >> 1, filter === 4 ? paeth(left, up, corner) : 0][filter];
    }
  }
  return result;
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function samplesOf(bytes, rows, row, perRow, bits) {
  if (bits === 8) return bytes;
  const samples = new Uint16Array(rows * perRow);
  for (let y = 0, i = 0; y < rows; y += 1) {
    for (let x = 0; x < perRow; x += 1, i += 1) {
      const bit = x * bits;
      const place = y * row + (bit >> 3);
      samples[i] = bits === 16 ? (bytes[place] << 8) | bytes[place + 1] : (bytes[place] >> (8 - bits - (bit & 7))) & (2 ** bits - 1);
    }
  }
  return samples;
}

function lookedUp({ width, height, pixels }, { PLTE: colours, tRNS: opacity }) {
  if (!colours) throw new Refusal(DAMAGED);
  const looked = new Uint8Array(pixels.length * 4);
  pixels.forEach((index, i) => {
    looked.set(colours.subarray(index * 3, index * 3 + 3), i * 4);
    looked[i * 4 + 3] = opacity?.[index] ?? 255;
  });
  return { width, height, channels: 4, pixels: looked, bits: 8 };
}

// One colour is called transparent.
function withTransparent({ width, height, channels, pixels, bits }, colour) {
  const named = Array.from({ length: channels }, (_, c) => (colour[c * 2] << 8) | colour[c * 2 + 1]);
  const [most, wider] = [bits === 16 ? 65535 : 255, new pixels.constructor(width * height * (channels + 1))];
  for (let i = 0, j = 0; i < pixels.length; i += channels, j += channels + 1) {
    wider.set(pixels.subarray(i, i + channels), j);
    wider[j + channels] = named.every((value, c) => pixels[i + c] === value) ? 0 : most;
  }
  return { width, height, channels: channels + 1, pixels: wider, bits };
}
