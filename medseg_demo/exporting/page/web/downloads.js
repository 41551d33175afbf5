// Results as files: the label map as a PNG whose pixel value is the class, the measurements as CSV and JSON, with the
// names and columns of medseg_demo/writing.

function download(name, parts, type) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  build("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

const safeName = (name) => name.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, "_").slice(0, 80) || "image";

async function downloadLabels(image, { network, labels }) {
  const name = `${safeName(image.name)}_${safeName(network.name)}.png`;
  download(name, await pngOf(labels, image), "image/png");
}

function downloadTable(image, results) {
  const rows = results.flatMap((one) => one.measurements.map((measured) => cellsOf(image, one, measured)));
  const columns = [...new Set(rows.flatMap(Object.keys))];
  const cell = (value) => (/[",\n]/.test(value ?? "") ? `"${String(value).replaceAll('"', '""')}"` : value ?? "");
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((row) => `${row.map(cell).join(",")}\n`);
  download(`${safeName(image.name)}_measurements.csv`, lines, "text/csv");
}

function cellsOf(image, { network }, { intensities, ...measured }) {
  const cells = { name: image.name, checkpoint: network.name, ...measured };
  for (const { channel, unit, ...figures } of intensities) {
    for (const [figure, value] of Object.entries(figures)) cells[`intensity_${figure}${channel ? `_${channel}` : ""}`] = value;
    cells.intensity_unit = unit;
  }
  return cells;
}

function downloadJson(image, results, options) {
  const images = results.map(({ network, threshold, measurements, seconds, warnings }) => ({
    name: image.name, shape: [image.height, image.width], spacing_mm: image.spacing, checkpoint: network.name,
    checkpoint_sha256: network.digest, threshold, flips: options.flips, denoise: "none", smallest_component: options.smallest,
    fill_holes: options.fill, crop: null, compute: "ONNX Runtime Web (WebAssembly, one thread, float32)",
    seconds: { all: Number(seconds.toFixed(4)) }, classes: measurements, notes: [...image.notes, ...warnings],
  }));
  download(`${safeName(image.name)}_measurements.json`, [`${JSON.stringify({ format_version: 1, images }, null, 2)}\n`], "application/json");
}

// Source: PNG specification, third edition; colour type 3, 8 bits, no filter.
async function pngOf(labels, { width, height }) {
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y += 1) rows.set(labels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint16(8, 0x0803);
  const palette = Uint8Array.from([0, 0, 0, ...PAGE.colours.flatMap(rgbOf)]);
  return [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10),
    ...pngChunk("IHDR", new Uint8Array(head.buffer)),
    ...pngChunk("PLTE", palette),
    ...pngChunk("IDAT", new Uint8Array(await new Response(stream).arrayBuffer())),
    ...pngChunk("IEND", new Uint8Array()),
  ];
}

function pngChunk(kind, content) {
  const marked = new Uint8Array(4 + content.length);
  marked.set(Array.from(kind, (letter) => letter.charCodeAt(0)));
  marked.set(content, 4);
  const [length, check] = [new DataView(new ArrayBuffer(4)), new DataView(new ArrayBuffer(4))];
  length.setUint32(0, content.length);
  check.setUint32(0, crc32(marked));
  return [length.buffer, marked, check.buffer];
}

function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
