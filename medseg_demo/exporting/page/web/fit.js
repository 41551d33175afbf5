// Whether an image is what a network was trained for: medseg_demo/segmenting/{fit,appearance}.py in JavaScript, in the
// same words.

const SIDE = 128;
const [BLACK, WHITE, RING] = [0.1, 0.9, 0.05];
// Figure, margin, and what is said of images above and below those of the training.
const FIGURES = [
  ["negative", 0.05, ({ share }) => `${share} of its intensities are negative, as in CT`],
  ["saturation", 0.15, () => "it is more colourful", () => "it has less colour"],
  ["border", 0.12, () => "its border is brighter than its middle", () => "its border is much darker than its middle"],
  ["black", 0.15, ({ share }) => `${share} of it is black`, ({ share }) => `only ${share} of it is black`],
  ["black_border", 0.2, ({ share }) => `${share} of its border is black`, ({ share }) => `only ${share} of its border is black`],
  ["white", 0.1, ({ share }) => `${share} of it is white`],
  ["values", 2, null, ({ count }) => `it holds ${count} different values only`],
];

function warningsFor(image, card) {
  return [...burnedIn(image), ...kindWarnings(image, card), ...channelWarnings(image, card), ...rangeWarnings(image, card), ...sizeWarnings(image, card), ...unlike(image, card)];
}

function burnedIn({ hasBurnedInText }) {
  if (!hasBurnedInText) return [];
  return ["Text is burned into the pixels, the DICOM header says (BurnedInAnnotation). It may name the patient, and the network may take it for anatomy: look at the image at full size before you share it."];
}

function kindWarnings({ modality }, card) {
  const [name] = card.kinds.find(([, codes]) => codes.includes(modality)) || [];
  if (!name || !card.codes.length || card.codes.includes(modality)) return [];
  const said = modality === name ? name : `${modality} (${name})`;
  return [`The file says ${said}, but the checkpoint was trained on another kind of image (${card.modality}): choose another checkpoint, or do not rely on what it marks.`];
}

function channelWarnings({ channels, pixels }, card) {
  const isGrey = channels === 1 || pixels.every((value, i) => value === pixels[i - (i % 3)]);
  if (card.in_channels === 1 && !isGrey) return ["The image is in colour, but the checkpoint was trained on grey images: colour is dropped."];
  if (card.in_channels === 3 && channels === 1) return ["The image is grey, but the checkpoint takes colour images: grey is repeated."];
  return [];
}

function rangeWarnings({ pixels }, { window }) {
  if (!window) return [];
  const [[low, high], [least, most]] = [extremes(pixels).map(plainNumber), window];
  if (least < 0 && low >= 0) return [`No intensity is negative, but the checkpoint expects ${least} to ${most}, as in CT: check the rescaling of the file, or choose another checkpoint.`];
  if (Math.max(low, least) < Math.min(high, most)) return [];
  return [`Intensities run from ${low} to ${high}, but the checkpoint expects ${least} to ${most}: check the rescaling of the file.`];
}

// Six significant digits.
const plainNumber = (value) => Number(value.toPrecision(6));

function sizeWarnings({ width, height }, card) {
  const warnings = [];
  if (Math.min(width, height) < Math.min(...card.input_size) / 4) warnings.push(`The image is small (${width} × ${height} px) for this checkpoint.`);
  if (card.inference === "resize" && (width / height < 0.5 || width / height > 2)) warnings.push("The image is unusually long and narrow; much of the network's input will be padding.");
  return warnings;
}

function unlike(image, card) {
  if (!Object.keys(card.appearance).length) return [];
  const found = appearance(image);
  const reasons = FIGURES.flatMap(([name, margin, above, below]) => {
    const [least, most] = card.appearance[name] || [-Infinity, Infinity];
    const say = found[name] > most + margin ? above : found[name] < least - margin ? below : null;
    return say ? [say({ share: `${roundHalfEven(100 * found[name])}\u202f%`, count: roundHalfEven(2 ** found[name]) })] : [];
  });
  if (!reasons.length) return [];
  return [`The image does not look like those that the checkpoint was trained on (${card.modality}): ${reasons.join(", ")}. It may be inverted or of another kind: do not rely on what is marked before you have checked it.`];
}

function appearance({ pixels, width, height, channels, window: [low, high] }) {
  const [stepY, stepX] = [Math.ceil(height / SIDE), Math.ceil(width / SIDE)];
  const [rows, columns] = [Math.ceil(height / stepY), Math.ceil(width / stepX)];
  const wide = Math.max(1, roundHalfEven(Math.min(rows, columns) * RING));
  const sums = { negative: 0, saturation: 0, black: 0, white: 0, ring: 0, middle: 0, blackRing: 0, inRing: 0, inMiddle: 0 };
  const different = new Set();
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const place = (y * stepY * width + x * stepX) * channels;
      const samples = Array.from(pixels.subarray(place, place + channels));
      const colours = samples.map((value) => Math.min(Math.max((value - low) / (high - low), 0), 1));
      const grey = channels === 1 ? colours[0] : LUMINANCE.reduce((sum, share, c) => sum + share * colours[c], 0);
      const most = Math.max(...colours);
      different.add(samples[0]);
      sums.negative += samples.filter((value) => value < 0).length / channels;
      sums.saturation += (most - Math.min(...colours)) / Math.max(most, 0.05);
      sums.black += grey < BLACK;
      sums.white += grey > WHITE;
      if (y < wide || x < wide || y >= rows - wide || x >= columns - wide) [sums.ring, sums.inRing, sums.blackRing] = [sums.ring + grey, sums.inRing + 1, sums.blackRing + (grey < BLACK)];
      const [quarterY, quarterX] = [Math.floor(rows / 4), Math.floor(columns / 4)];
      if (y >= quarterY && y < rows - quarterY && x >= quarterX && x < columns - quarterX) [sums.middle, sums.inMiddle] = [sums.middle + grey, sums.inMiddle + 1];
    }
  }
  const count = rows * columns;
  return {
    negative: sums.negative / count, saturation: sums.saturation / count, border: sums.ring / sums.inRing - sums.middle / sums.inMiddle,
    black: sums.black / count, black_border: sums.blackRing / sums.inRing, white: sums.white / count, values: Math.log2(different.size),
  };
}
