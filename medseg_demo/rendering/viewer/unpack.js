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
  if (ArrayBuffer.isView(packed.data)) return packed; // made in this very page
  const [height, width, channels = 1] = packed.shape;
  const bytes = await inflate(bytesOf(packed.data));
  const data = packed.dtype === "uint16" ? joinPlanes(bytes, height * width * channels) : bytes;
  return { data: sumRows(data, height, width, channels), height, width, channels };
}

let unpackedSlices = 0;

// `images` has one plane for each channel, null where it was not sent; `image` is the first that is here, for the size.
// `views` has one slice for each prediction: what all of them share, and its own labels, heat map and probabilities.
async function unpackSlice(slice) {
  const unpackAll = (packed) => Promise.all(packed.map(unpackArray));
  const [[reference, model, ...images], predictions] = await Promise.all([
    unpackAll([slice.reference, slice.model_input, ...slice.images]),
    Promise.all(slice.predictions.map((one) => unpackAll([one.labels, one.heat, ...one.probabilities]))),
  ]);
  unpackedSlices += 1;
  const image = images.find((plane) => plane);
  const shared = { serial: unpackedSlices, plane: slice.plane, index: slice.index, image, images, reference, model };
  const views = predictions.map(([labels, heat, ...probabilities], prediction) => ({ ...shared, prediction, labels, heat, probabilities }));
  const planes = [...images, reference, model, ...predictions.flat()];
  return { ...shared, views, bytes: planes.reduce((sum, one) => sum + (one?.data.byteLength || 0), 0) };
}
