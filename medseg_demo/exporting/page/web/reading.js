// A visitor's file → an image, by the same rules as medseg_demo/reading: more is brighter, whole numbers stay as stored.
// An image: { name, format, width, height, channels (1, or 3: red, green, blue), pixels (typed, channels last), bits,
// window: [low, high], spacing: [y, x] in mm or null, unit, modality, notes: sentences in English }. What a person is told
// is said in English here, too; the page translates it.

const MOST_PIXELS = 40e6;
const MOST_SAMPLES = 2000000;

// Why a file is not read, or work is not done, as a sentence that can follow the file's name.
class Refusal extends Error {}

const DAMAGED = "the file is damaged or not complete. Export or copy it again.";

const startsWith = (bytes, start) => start.every((byte, i) => bytes[i] === byte);
const lettersAt = (bytes, place, count) => String.fromCharCode(...bytes.subarray(place, place + count));

const KINDS = [
  ["PNG", (bytes) => startsWith(bytes, [0x89, 0x50, 0x4e, 0x47]), readPng],
  ["DICOM", (bytes) => lettersAt(bytes, 128, 4) === "DICM" || isBare(bytes), readDicom],
  ["NPY", (bytes) => startsWith(bytes, [0x93, 0x4e, 0x55, 0x4d]), readNpy],
  ["JPEG", (bytes) => startsWith(bytes, [0xff, 0xd8, 0xff]), readJpeg],
  ["WebP", (bytes) => lettersAt(bytes, 0, 4) === "RIFF" && lettersAt(bytes, 8, 4) === "WEBP", readByBrowser("image/webp")],
  ["BMP", (bytes) => lettersAt(bytes, 0, 2) === "BM" && bytes.length > 26 && !bytes[15], readByBrowser("image/bmp")],
];

// What is known, and not read in a browser, by its first bytes: volumes above all.
const VOLUMES = [
  ["NIfTI", (bytes) => [344, 348].some((place) => /^n[i+][12]/.test(lettersAt(bytes, place, 3))) || lettersAt(bytes, 4, 3) === "n+2"],
  ["NRRD", (bytes) => lettersAt(bytes, 0, 4) === "NRRD"],
  ["MetaImage", (bytes) => /ObjectType\s*=|NDims\s*=/.test(lettersAt(bytes, 0, 200))],
];

async function readImage(bytes, file) {
  const kind = KINDS.find(([, matches]) => matches(bytes));
  if (!kind) throw new Refusal(whyUnreadable(bytes, file));
  const raw = await decoded(kind[2], bytes);
  const image = { name: stemOf(file), format: kind[0], notes: [], unit: null, modality: null, spacing: null, window: null, ...raw };
  if (image.channels === 2 || image.channels === 4) composeOpacity(image);
  checkFinite(image);
  if (!image.window || !shows(image.window, image.pixels)) image.window = displayWindow(image);
  return image;
}

// A reader that looks beyond the file's end found it cut off; where it cannot get an array, memory lacks.
async function decoded(read, bytes) {
  try {
    return await read(bytes);
  } catch (error) {
    const lacksMemory = error instanceof RangeError && /allocat|array length/i.test(error.message);
    throw error instanceof Refusal || lacksMemory ? error : new Refusal(DAMAGED);
  }
}

function whyUnreadable(bytes, file) {
  const volume = VOLUMES.find(([, matches]) => matches(bytes));
  if (volume) return itIsAVolume(volume[0]);
  if (startsWith(bytes, [0x1f, 0x8b]) && /\.nii\.gz$/i.test(file)) return itIsAVolume("NIfTI");
  if (startsWith(bytes, [0x50, 0x4b, 3, 4])) return "a zip or NPZ is not read here. Unpack it and choose one image.";
  if (startsWith(bytes, [0x49, 0x49]) || startsWith(bytes, [0x4d, 0x4d, 0, 0x2a])) return "TIFF is not read here. Save it as PNG, which keeps 16 bits, too.";
  return "its bytes are of no format that is read here. Choose a PNG, JPEG, DICOM, NPY, WebP or BMP file.";
}

const itIsAVolume = (kind) => `this is a volume (${kind}), and the page segments single images. Save one slice as PNG or DICOM, or use the program itself.`;

function stemOf(file) {
  return file.replace(/\.(png|jpe?g|dcm|dicom|npy|webp|bmp)$/i, "") || file;
}

function checkSize(width, height) {
  if (!width || !height) throw new Refusal(DAMAGED);
  if (width * height > MOST_PIXELS) throw new Refusal(`it has ${width} × ${height} pixels, and at most ${MOST_PIXELS / 1e6} million are read here. Reduce it, or cut out the part of interest.`);
}

async function readJpeg(bytes) {
  const frame = jpegFrame(bytes);
  if (!frame) throw new Refusal(DAMAGED);
  if (frame.bits !== 8 || !frame.isCommon) throw new Refusal("this kind of JPEG (12 bits, lossless or arithmetic) is not read by browsers. Save it as PNG.");
  checkSize(frame.width, frame.height);
  const image = await readByBrowser("image/jpeg")(bytes);
  composeOpacity(image);
  return frame.components === 1 ? { ...image, channels: 1, pixels: image.pixels.filter((_, i) => i % 3 === 0) } : image;
}

// The frame header of a JPEG (ITU-T T.81, B.2.2); null where there is none.
function jpegFrame(bytes) {
  for (let place = 2; place + 10 < bytes.length && bytes[place] === 0xff; ) {
    const marker = bytes[place + 1];
    if (marker === 0xff) place += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const [bits, height, width] = [bytes[place + 4], (bytes[place + 5] << 8) | bytes[place + 6], (bytes[place + 7] << 8) | bytes[place + 8]];
      return { bits, height, width, components: bytes[place + 9], isCommon: marker <= 0xc2 };
    } else place += 2 + ((bytes[place + 2] << 8) | bytes[place + 3]);
  }
  return null;
}

// Decoded by the browser without colour management, turned as EXIF says. Lossy formats only: browsers that guard against
// fingerprinting add noise to what a canvas gives back, of one grey level at most.
function readByBrowser(type) {
  return async (bytes) => {
    let picture;
    try {
      picture = await createImageBitmap(new Blob([bytes], { type }), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    } catch {
      throw new Refusal(DAMAGED);
    }
    const { width, height } = picture;
    checkSize(width, height);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return { width, height, channels: 4, pixels: new Uint8Array(data.buffer), bits: 8 };
  };
}

// The last channel is opacity: dropped where all is opaque, else the image is laid over black.
function composeOpacity(image) {
  const { pixels, channels } = image;
  const colours = channels - 1;
  const opaque = pixels.BYTES_PER_ELEMENT === 1 ? 255 : 65535;
  const kept = new pixels.constructor((pixels.length / channels) * colours);
  let [isOpaque, isInvisible] = [true, true];
  for (let i = colours; i < pixels.length; i += channels) {
    isOpaque &&= pixels[i] === opaque;
    isInvisible &&= pixels[i] === 0;
  }
  const plain = isOpaque || isInvisible;
  for (let i = 0, j = 0; i < pixels.length; i += channels) {
    const weight = plain ? 1 : Math.fround(pixels[i + colours] / opaque);
    for (let c = 0; c < colours; c += 1, j += 1) kept[j] = plain ? pixels[i + c] : roundHalfEven(Math.fround(pixels[i + c] * weight));
  }
  if (!isOpaque) image.notes = [...(image.notes || []), isInvisible ? "The opacity channel marks every pixel as invisible and was ignored." : "Transparent parts were laid over black."];
  Object.assign(image, { pixels: kept, channels: colours });
}

function checkFinite({ pixels, channels }) {
  let [isFinite, isVaried] = [true, false];
  for (let i = 0; i < pixels.length; i += 1) {
    isFinite &&= Number.isFinite(pixels[i]);
    isVaried ||= pixels[i] !== pixels[i % channels];
  }
  if (!isFinite) throw new Refusal("some values are infinite or not a number. Replace them, for example with the background's value.");
  if (!isVaried) throw new Refusal(`every pixel has the same value (${pixels[0]}), so there is nothing to segment.`);
}

function shows([low, high], pixels) {
  const [least, greatest] = extremes(pixels);
  return Number.isFinite(low) && Number.isFinite(high) && low < high && low < greatest && high > least;
}

// The intensities shown as black and white where the file does not say: see display_window in reading/intensities.py.
function displayWindow({ pixels, bits, channels }) {
  const [least, greatest] = extremes(pixels);
  if (pixels instanceof Uint8Array) return [0, bits < 8 && greatest < 2 ** bits ? 2 ** bits - 1 : 255];
  if (channels === 3 && pixels instanceof Float32Array && least >= 0 && greatest <= 1) return [0, 1];
  const step = Math.ceil(pixels.length / MOST_SAMPLES);
  const samples = step === 1 ? pixels.slice() : pixels.filter((_, i) => i % step === 0);
  samples.sort();
  const [low, high] = [percentile(samples, 0.5), percentile(samples, 99.5)];
  return low < high ? [low, high] : [least, least < greatest ? greatest : least + 1];
}

// Of sorted samples, with linear interpolation as NumPy's.
function percentile(samples, percent) {
  const place = (percent / 100) * (samples.length - 1);
  const [below, share] = [Math.floor(place), place % 1];
  const [first, second] = [samples[below], samples[Math.min(below + 1, samples.length - 1)]];
  return first + (second - first) * share;
}

async function inflated(bytes, format) {
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new Refusal(DAMAGED);
  }
}
