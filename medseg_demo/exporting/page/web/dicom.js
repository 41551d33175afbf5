// One frame of DICOM: the header by dicom-parser, the pixels here, as medseg_demo/reading/dicom does. Nothing of the
// header is kept but what is named here, none of which tells of the patient.
// Source: DICOM PS3.5, 8 and A.4; PS3.3, C.7.6.3, C.11.1, C.11.2; RLE: PS3.5, G.

const NATIVE = { "1.2.840.10008.1.2": false, "1.2.840.10008.1.2.1": false, "1.2.840.10008.1.2.2": true };
const RLE = "1.2.840.10008.1.2.5";
const BROWSER_JPEG = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"];
const SYNTAX_NAMES = {
  "1.2.840.10008.1.2.1.99": "Deflated", "1.2.840.10008.1.2.4.57": "JPEG lossless", "1.2.840.10008.1.2.4.70": "JPEG lossless",
  "1.2.840.10008.1.2.4.80": "JPEG-LS", "1.2.840.10008.1.2.4.81": "JPEG-LS", "1.2.840.10008.1.2.4.90": "JPEG 2000",
  "1.2.840.10008.1.2.4.91": "JPEG 2000",
};
const GREY = ["MONOCHROME1", "MONOCHROME2"];
const [TWO_DIMENSIONAL, CENTIMETRES] = [1, 3];

const otherPixels = (photometric, bits) => new Refusal(`pixels of this kind (${photometric}, ${bits} bits) are not read here. Export it as grey or RGB of 8 bits, or as PNG.`);

// As older programs save it: without the preamble and what follows it, so it begins with group 8.
const isBare = (bytes) => startsWith(bytes, [8, 0]) && bytes[2] < 0x20 && bytes[3] === 0;
const bareSyntax = (bytes) => (/^[A-Z]{2}$/.test(lettersAt(bytes, 4, 2)) ? "1.2.840.10008.1.2.1" : "1.2.840.10008.1.2");

async function readDicom(bytes) {
  const options = isBare(bytes) ? { TransferSyntaxUID: bareSyntax(bytes) } : {};
  const syntax = options.TransferSyntaxUID || (dicomParser.readPart10Header(bytes).string("x00020010") || "").trim();
  if (SYNTAX_NAMES[syntax] || (syntax && !(syntax in NATIVE) && syntax !== RLE && !BROWSER_JPEG.includes(syntax)))
    throw new Refusal(`DICOM as ${SYNTAX_NAMES[syntax] || syntax} is not read by browsers. Export it uncompressed, or as PNG.`);
  const header = dicomParser.parseDicom(bytes, options);
  liftFrame(header);
  const found = pixelFormat(header, syntax);
  const stored = await storedValues(header, found);
  const isColour = found.samples === 3;
  const image = { width: found.columns, height: found.rows, channels: isColour ? 3 : 1, pixels: stored, bits: found.stored, notes: [] };
  image.modality = /^[A-Z0-9]{1,16}$/.test(word(header, "x00080060")) ? word(header, "x00080060") : null;
  Object.assign(image, spacingOf(header), { hasBurnedInText: word(header, "x00280301") === "YES" });
  if (isColour) return image;
  if (found.photometric === "PALETTE COLOR") return lookedUpColours(header, image, found);
  return scaled(header, image, found);
}

// What an enhanced object says of its frame lies in groups, shared by all frames or of the first one.
function liftFrame(header) {
  const groups = ["x52009229", "x52009230"].flatMap((tag) => Object.values(header.elements[tag]?.items?.[0]?.dataSet.elements || {}));
  const lifted = groups.map((group) => group.items?.[0]?.dataSet.elements || {});
  Object.assign(header.elements, ...lifted);
}

const word = (header, tag) => (header.string(tag) || "").split("\\")[0].trim();

function numbersAt(header, tag) {
  return (header.string(tag) || "").split("\\").map((one) => (one.trim() ? Number(one) : NaN)).filter(Number.isFinite);
}

const numberAt = (header, tag, otherwise) => numbersAt(header, tag)[0] ?? otherwise;

function pixelFormat(header, syntax) {
  const kind = word(header, "x00080060") === "SEG" || header.elements.x00620002 ? "SEG" : "";
  const element = header.elements.x7fe00010;
  if (kind || !element) throw new Refusal("the DICOM file holds no image. Choose an image of the study.");
  const [rows, columns, allocated, stored, high, signed, samples, planar] = ["x00280010", "x00280011", "x00280100", "x00280101", "x00280102", "x00280103", "x00280002", "x00280006"].map((tag) => header.uint16(tag));
  const photometric = word(header, "x00280004");
  const frames = Number(word(header, "x00280008") || 1);
  if (frames > 1) throw new Refusal(`the DICOM file holds ${frames} frames, and the page segments single images. Save one of them.`);
  if (!rows || !columns || !allocated || !stored || !photometric) throw new Refusal(DAMAGED);
  checkSize(columns, rows);
  const isColour = ["RGB", "YBR_FULL", "YBR_FULL_422"].includes(photometric);
  const count = samples ?? (isColour ? 3 : 1);
  const isRead = [8, 16, 32].includes(allocated) && (isColour ? count === 3 && allocated === 8 : count === 1 && [...GREY, "PALETTE COLOR"].includes(photometric));
  if (!isRead || (photometric === "YBR_FULL_422" && syntax in NATIVE)) throw otherPixels(photometric, allocated);
  const shift = high === undefined ? 0 : high + 1 - stored;
  return { element, syntax, rows, columns, allocated, stored, shift, isSigned: signed === 1, samples: count, planar: planar === 1, photometric };
}

async function storedValues(header, found) {
  const { element, syntax, rows, columns, samples, allocated, photometric } = found;
  const count = rows * columns * samples;
  if (BROWSER_JPEG.includes(syntax)) return fromJpeg(header, found);
  let bytes = header.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  if (syntax === RLE) bytes = unpackedRle(frameBytes(header, element), count, allocated / 8, samples);
  const expected = (count * allocated) / 8;
  if (bytes.length < expected || bytes.length >= expected + Math.max(2, expected)) throw new Refusal(DAMAGED);
  const values = meaningful(bytes, count, found);
  const isPlanar = samples === 3 && (found.planar || syntax === RLE);
  const pixels = isPlanar ? interleaved(values, rows * columns) : values;
  return photometric === "YBR_FULL" ? toRgb(pixels) : pixels;
}

function frameBytes(header, element) {
  try {
    const table = element.basicOffsetTable?.length ? element.basicOffsetTable : [];
    if (table.length) return dicomParser.readEncapsulatedImageFrame(header, element, 0);
    return dicomParser.readEncapsulatedPixelDataFromFragments(header, element, 0, element.fragments.length);
  } catch {
    throw new Refusal(DAMAGED);
  }
}

async function fromJpeg(header, found) {
  const image = await readJpeg(asStated(frameBytes(header, found.element), found.photometric));
  if (image.width !== found.columns || image.height !== found.rows || (image.channels === 3) !== (found.samples === 3)) throw new Refusal(DAMAGED);
  return image.pixels;
}

// A JPEG that does not say of which colours it is holds those that the header states; browsers must be told of RGB.
function asStated(code, photometric) {
  if (photometric !== "RGB" || /JFIF|Adobe/.test(lettersAt(code, 0, 200))) return code;
  const marker = [0xff, 0xee, 0, 14, ...Array.from("Adobe", (letter) => letter.charCodeAt(0)), 0, 100, 0, 0, 0, 0, 0];
  return Uint8Array.from([...code.subarray(0, 2), ...marker, ...code.subarray(2)]);
}

// The bits that count, with their sign: others may hold overlays.
function meaningful(bytes, count, { element, allocated, stored, shift, isSigned, syntax }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const Kind = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array], 32: [Uint32Array, Int32Array] }[allocated][Number(isSigned)];
  const values = new Kind(count);
  const [size, isLittle, empty] = [allocated / 8, !NATIVE[syntax], 32 - stored];
  const turn = Number(element.vr === "OW" && !isLittle); // words hold two bytes then, the second one first
  for (let i = 0; i < count; i += 1) {
    const code = allocated === 8 ? bytes[i ^ turn] : allocated === 16 ? view.getUint16(i * size, isLittle) : view.getUint32(i * size, isLittle);
    const upper = (code >>> shift) << empty;
    values[i] = isSigned ? upper >> empty : upper >>> empty;
  }
  return values;
}

function interleaved(planes, pixels) {
  return planes.map((_, i) => planes[(i % 3) * pixels + Math.floor(i / 3)]);
}

// Source: DICOM PS3.3, C.7.6.3.1.2.
function toRgb(pixels) {
  const result = new Uint8ClampedArray(pixels.length);
  for (let i = 0; i < pixels.length; i += 3) {
    const [y, blue, red] = [pixels[i], pixels[i + 1] - 128, pixels[i + 2] - 128];
    result.set([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], i);
  }
  return new Uint8Array(result.buffer);
}

// Each segment holds one byte of all pixels of one sample, the highest byte first.
function unpackedRle(bytes, count, size, samples) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const segments = view.getUint32(0, true);
  const pixels = count / samples;
  if (segments !== samples * size) throw new Refusal(DAMAGED);
  const result = new Uint8Array(count * size);
  for (let segment = 0; segment < segments; segment += 1) {
    const [sample, byte] = [Math.floor(segment / size), size - 1 - (segment % size)];
    let place = view.getUint32(4 + 4 * segment, true);
    for (let i = 0; i < pixels && place < bytes.length; ) {
      const run = (bytes[place] << 24) >> 24;
      place += 1;
      if (run === -128) continue;
      for (let j = 0; j < (run < 0 ? 1 - run : run + 1) && i < pixels; j += 1, i += 1) result[(sample * pixels + i) * size + byte] = bytes[run < 0 ? place : place + j];
      place += run < 0 ? 1 : run + 1;
    }
  }
  return result;
}

// Stored values → those of the modality, more is brighter; and the window of the file.
function scaled(header, image, { isSigned, stored, photometric }) {
  const isInverted = photometric === "MONOCHROME1";
  const { values, span, isChanged, slope, intercept } = rescaled(header, image.pixels, isSigned ? -1 : 2 ** stored - 1);
  const total = isChanged === "table" ? span : slope * span + 2 * intercept;
  const pixels = isInverted ? values.map((value) => total - value) : values;
  const [centre, width] = ["x00281050", "x00281051"].map((tag) => numberAt(header, tag, NaN));
  const isExact = word(header, "x00281056") === "LINEAR_EXACT";
  const [middle, whole] = isExact ? [centre, width] : [centre - 0.5, width - 1];
  const window = [middle - whole / 2, middle + whole / 2];
  const isHounsfield = word(header, "x00281054") ? /^HU$/i.test(word(header, "x00281054")) : header.elements.x00281052 && image.modality === "CT";
  return {
    ...image,
    pixels,
    window: isInverted ? [total - window[1], total - window[0]] : window,
    unit: isHounsfield && !isInverted ? "HU" : null,
    notes: isInverted ? [...image.notes, "The file stores bright as dark (MONOCHROME1); the intensities were turned round."] : image.notes,
  };
}

function rescaled(header, stored, span) {
  const table = header.elements.x00283000?.items?.[0]?.dataSet;
  if (table) {
    const { entries, first } = entriesOf(table, table, "x00283002", "x00283006");
    const [least, greatest] = extremes(entries);
    const start = span === -1 && first >= 32768 ? first - 65536 : first;
    const values = converted(stored, Uint16Array, (value) => entries[Math.min(Math.max(value - start, 0), entries.length - 1)]);
    return { values, span: least + greatest, isChanged: "table" };
  }
  const [slope, intercept] = [numberAt(header, "x00281053", 1) || 1, numberAt(header, "x00281052", 0)];
  const isChanged = slope !== 1 || intercept !== 0;
  return { values: isChanged ? converted(stored, Float32Array, (value) => value * slope + intercept) : stored, span, isChanged, slope, intercept };
}

// The entries of a table, of 8 or 16 bits by the length of its data, since its header is often wrong.
function entriesOf(described, holder, descriptor, data) {
  const [count, first] = [described.uint16(descriptor, 0) || 65536, described.uint16(descriptor, 1)];
  const { dataOffset, length } = holder.elements[data];
  const isWide = length >= 2 * count;
  const entries = Uint16Array.from({ length: Math.min(count, isWide ? length / 2 : length) }, (_, i) => (isWide ? holder.uint16(data, i) : holder.byteArray[dataOffset + i]));
  return { entries, first };
}

function lookedUpColours(header, image, { isSigned }) {
  const tags = ["x00281201", "x00281202", "x00281203"];
  if (!tags.every((tag) => header.elements[tag]) || isSigned) throw otherPixels("PALETTE COLOR", image.bits);
  const tables = tags.map((tag) => entriesOf(header, header, "x00281101", tag));
  const { first } = tables[0];
  // Palettes of 16 bits often hold 8: in the low byte, in the high one, or in both.
  const isHigh = tables.some(({ entries }) => entries.some((one) => one >> 8));
  const pixels = new Uint8Array(image.pixels.length * 3);
  image.pixels.forEach((value, i) => {
    tables.forEach(({ entries }, c) => {
      const entry = entries[Math.min(Math.max(value - first, 0), entries.length - 1)];
      pixels[3 * i + c] = isHigh ? entry >> 8 : entry;
    });
  });
  return { ...image, pixels, channels: 3, bits: 8 };
}

// From wherever the object keeps it, and a note where it is not that in the body.
function spacingOf(header) {
  const pair = (tag) => {
    const values = numbersAt(header, tag);
    return values.length === 2 && Math.min(...values) > 0 ? values : null;
  };
  const stated = pair("x00280030");
  if (stated) return { spacing: stated };
  const detector = pair("x00181164");
  if (detector) {
    const factor = numberAt(header, "x00181114", 1);
    if (factor > 1.001) return { spacing: detector.map((step) => step / factor), notes: ["The spacing is that at the detector, divided by the magnification that the file estimates."] };
    return { spacing: detector, notes: ["The spacing is that at the detector; lengths in the body are somewhat smaller."] };
  }
  const scanned = pair("x00182010");
  return scanned ? { spacing: scanned, notes: ["The spacing is that of the scanned film or paper."] } : spacingOfRegions(header);
}

function aspectNotes([down, across]) {
  const isSquare = !(down > 0 && across > 0) || Math.abs(down / across - 1) <= 0.001;
  return isSquare ? [] : ["The pixels are not square (the file states an aspect ratio), and their size is not stated."];
}

function spacingOfRegions(header) {
  const regions = (header.elements.x00186011?.items || []).map((item) => item.dataSet);
  const found = regions
    .filter((one) => one.uint16("x00186012") === TWO_DIMENSIONAL && one.uint16("x00186024") === CENTIMETRES && one.uint16("x00186026") === CENTIMETRES)
    .map((one) => [10 * Math.abs(one.double("x0018602e")), 10 * Math.abs(one.double("x0018602c"))])
    .filter(([down, across]) => down * across > 0);
  if (!found.length) return { notes: aspectNotes(numbersAt(header, "x00280034")) };
  const isSame = found.every((one) => one.every((step, axis) => Math.abs(step / found[0][axis] - 1) < 0.001));
  if (!isSame) return { notes: ["The file states several ultrasound regions of different spacing, so the spacing is unknown."] };
  return { spacing: found[0], notes: regions.length > 1 ? ["The spacing is that of the ultrasound region; other parts of the picture have none."] : [] };
}
