// NumPy's NPY: one plane of numbers, or of red, green and blue. Source: numpy.lib.format.

const NPY_TYPES = {
  b1: [1, "getUint8", Uint8Array], u1: [1, "getUint8", Uint8Array], i1: [1, "getInt8", Int8Array],
  u2: [2, "getUint16", Uint16Array], i2: [2, "getInt16", Int16Array], u4: [4, "getUint32", Uint32Array],
  i4: [4, "getInt32", Int32Array], u8: [8, "getBigUint64", Float32Array], i8: [8, "getBigInt64", Float32Array],
  f2: [2, "getUint16", Float32Array], f4: [4, "getFloat32", Float32Array], f8: [8, "getFloat64", Float32Array],
};
const COLOUR_TYPES = ["u1", "u2", "f2", "f4", "f8"];
const NO_IMAGE = "the array is no image of real numbers. Save (height, width) or (height, width, 3) by numpy.save.";

function readNpy(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLong = bytes[6] > 1;
  const start = isLong ? 12 : 10;
  const length = isLong ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = lettersAt(bytes, start, Math.min(length, 4096));
  const [, order, type] = header.match(/'descr':\s*'([<>|=])([a-zA-Z]\d+)'/) || [];
  const stated = header.match(/'shape':\s*\(([^)]*)\)/)?.[1].split(",").filter((one) => one.trim()).map(Number);
  if (!type || !stated || stated.some((one) => !Number.isInteger(one) || one < 1)) throw new Refusal(NO_IMAGE);
  if (!NPY_TYPES[type]) throw new Refusal(NO_IMAGE);
  const { height, width, channels } = planeOf(stated, type);
  checkSize(width, height);
  const [size, get, Kind] = NPY_TYPES[type];
  const count = height * width * channels;
  if (start + length + count * size > bytes.length) throw new Refusal(DAMAGED);
  const pixels = new Kind(count);
  const place = /'fortran_order':\s*True/.test(header) ? fortranPlaces(height, width, channels) : (i) => i;
  for (let i = 0; i < count; i += 1) {
    const value = view[get](start + length + place(i) * size, order !== ">");
    pixels[i] = type === "f2" ? fromHalf(value) : type === "b1" ? Math.min(value, 1) : Number(value);
  }
  return { width, height, channels, pixels, bits: type === "b1" ? 1 : size * 8 };
}

// The shape without axes of one that mean nothing; the rules are those of medseg_demo/reading/array.py.
function planeOf(stated, type) {
  const shape = [...stated];
  if (shape.length > 2 && shape.at(-1) === 1) shape.pop();
  while (shape.length > 3 && shape[0] === 1) shape.shift();
  const [height, width, last] = shape;
  if (shape.length === 2) return { height, width, channels: 1 };
  if (shape.length === 3 && last === 3 && COLOUR_TYPES.includes(type)) return { height, width, channels: 3 };
  if (shape.length === 3 && last <= 16) throw new Refusal(`it has ${last} channels that are no colours. Save one of them alone.`);
  if (shape.length > 2) throw new Refusal(itIsAVolume(`NPY, ${stated.join(" × ")}`));
  throw new Refusal(NO_IMAGE);
}

function fortranPlaces(height, width, channels) {
  return (i) => {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    return (c * width + x) * height + y;
  };
}

function fromHalf(bits) {
  const [sign, power, part] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (power === 31) return part ? NaN : sign * Infinity;
  return sign * (power ? 2 ** (power - 15) * (1 + part / 1024) : 2 ** -14 * (part / 1024));
}
