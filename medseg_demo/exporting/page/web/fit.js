// Whether an image is what a network was trained for: medseg_demo/segmenting/{fit,appearance}.py in JavaScript. Each
// warning is [key of the page's texts, values].

const SIDE = 128;
const [BLACK, WHITE, RING] = [0.1, 0.9, 0.05];
// Figure, margin, and whether something is said of images above or below those of the training.
const FIGURES = [
  ["negative", 0.05, true, false], ["saturation", 0.15, true, true], ["border", 0.12, true, true], ["black", 0.15, true, true],
  ["black_border", 0.2, true, true], ["white", 0.1, true, false], ["values", 2, false, true],
];

function warningsFor(image, card) {
  const { width, height, channels, pixels } = image;
  const warnings = [];
  const add = (applies, key, values = {}) => applies && warnings.push([key, values]);
  const [low, high] = extremes(pixels);
  const isGrey = channels === 1 || pixels.every((value, i) => value === pixels[i - (i % 3)]);
  add(image.modality && card.codes.length && !card.codes.includes(image.modality), "otherKind", { code: image.modality, modality: card.modality });
  add(card.in_channels === 1 && !isGrey, "colourDropped");
  add(card.in_channels === 3 && channels === 1, "greyRepeated");
  add(card.window && (Math.max(low, card.window[0]) >= Math.min(high, card.window[1]) || (card.window[0] < 0 && low >= 0)), "range", { low, high, from: card.window?.[0], to: card.window?.[1] });
  add(Math.min(width, height) < Math.min(...card.input_size) / 4, "small", { width, height });
  add(card.inference === "resize" && (width / height < 0.5 || width / height > 2), "narrow");
  const reasons = unlike(image, card.appearance);
  add(reasons.length, "unlike", { modality: card.modality, reasons });
  return warnings;
}

function unlike(image, known) {
  if (!Object.keys(known).length) return [];
  const found = appearance(image);
  return FIGURES.flatMap(([name, margin, saysAbove, saysBelow]) => {
    const [least, most] = known[name] || [-Infinity, Infinity];
    const share = Math.round(100 * found[name]);
    if (saysAbove && found[name] > most + margin) return [[`${name}Above`, { share }]];
    return saysBelow && found[name] < least - margin ? [[`${name}Below`, { share, count: Math.round(2 ** found[name]) }]] : [];
  });
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
