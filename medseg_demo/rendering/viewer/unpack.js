// From the JSON value to typed arrays. The arrays travel compressed, not as pictures: a picture read back through a
// canvas passes colour management, and browsers that guard against fingerprinting add noise to it.

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Bytes of 16-bit numbers come as all low bytes, then all high ones.
function joinPlanes(bytes, count) {
  const numbers = new Uint16Array(count);
  for (let i = 0; i < count; i += 1) numbers[i] = bytes[i] | (bytes[count + i] << 8);
  return numbers;
}

// Undo the differences along each row, channel by channel; typed arrays wrap round as NumPy's integers do.
function sumRows(data, height, width, channels) {
  const row = width * channels;
  for (let y = 0; y < height; y += 1) {
    const end = (y + 1) * row;
    for (let i = y * row + channels; i < end; i += 1) data[i] += data[i - channels];
  }
  return data;
}

async function unpackArray(packed) {
  if (!packed) return null;
  const [height, width, channels = 1] = packed.shape;
  const bytes = await inflate(bytesOf(packed.data));
  const data = packed.dtype === "uint16" ? joinPlanes(bytes, height * width * channels) : bytes;
  return { data: sumRows(data, height, width, channels), height, width, channels };
}

let unpackedSlices = 0;

async function unpackSlice(slice) {
  const [image, labels, reference, model, probabilities] = await Promise.all([
    unpackArray(slice.image),
    unpackArray(slice.labels),
    unpackArray(slice.reference),
    unpackArray(slice.model_input),
    Promise.all((slice.probabilities || []).map(unpackArray)),
  ]);
  unpackedSlices += 1;
  return { serial: unpackedSlices, index: slice.index, image, labels, reference, model, probabilities };
}
