// The viewer's value (Shown, in medseg_demo/rendering/shown.py) of an image and what networks say of it. Arrays go in as
// they are: nothing travels here.

const PROBABILITY_LEVELS = 200;
const MOST_REGIONS = 500;
let shownValues = 0;

function shownValue(image, results, { imageKey, title, alternative, postprocessing }) {
  const { width, height, spacing } = image;
  const names = [...new Set(results.flatMap(({ network }) => network.card.class_names))];
  const maps = results.map(({ network, labels }) => relabelledTo(names, network.card.class_names, labels));
  shownValues += 1;
  return {
    key: `page-${shownValues}`, adds_slices: false, image_key: imageKey, title, alternative_text: alternative,
    layout: results.length > 1 ? "side" : "single", mode: null, plane: "axial", point: [0, height >> 1, width >> 1], is_volume: false,
    shape: [1, height, width], spacing_mm: spacing, affine: null, planes: { axial: planeOfImage(image) }, channels: [channelOf(image)],
    classes: names.map((name, i) => ({ name, colour: PAGE.colours[i % PAGE.colours.length] })),
    probability_levels: PROBABILITY_LEVELS,
    predictions: results.length ? results.map((one) => predictionOf(one, names, postprocessing)) : [noPrediction()],
    thresholds: null, regions: maps.length > 1 ? differences(maps, names, width) : [], can_crop: false, crop: null, editing: null,
    slices: [{
      plane: "axial", index: 0, images: [pictureOf(image)], reference: null, model_input: null,
      predictions: results.length ? results.map(({ steps }, i) => ({ labels: planeArray(maps[i], image), heat: null, probabilities: steps.map((one) => planeArray(one, image)) })) : [{ labels: null, heat: null, probabilities: [] }],
    }],
  };
}

const planeArray = (data, { width, height }, channels = 1) => ({ data, height, width, channels });

const noPrediction = () => ({ name: "", threshold: null, threshold_label: null, postprocessing: "", counted: true, histogram: null, totals: null, heat: null });

function predictionOf({ network, threshold }, names, postprocessing) {
  const label = threshold === null ? null : names.indexOf(network.card.class_names[0]) + 1;
  return { ...noPrediction(), name: network.name, threshold, threshold_label: label, postprocessing };
}

function planeOfImage({ width, height, spacing }) {
  return { name: "Across z", axes: [0, 1, 2], count: 1, size: [height, width], spacing_mm: spacing, orientation: null, flips: [false, false], reduction: 1 };
}

function relabelledTo(names, own, labels) {
  const values = [0, ...own.map((name) => names.indexOf(name) + 1)];
  return values.every((value, i) => value === i) ? labels : labels.map((value) => values[value]);
}

// How intensities become whole numbers of 8 or 16 bits: stored × scale + offset, as intensity_code.py chooses it.
function codeOf({ pixels, channels }) {
  if (channels === 3 || pixels instanceof Uint8Array || pixels instanceof Uint16Array) return { scale: 1, offset: 0, isExact: channels === 1 || pixels instanceof Uint8Array };
  const [low, high] = extremes(pixels);
  if (high - low <= 65535 && pixels.every(Number.isInteger)) return { scale: 1, offset: low, isExact: true };
  return { scale: (high - low) / 65535, offset: low, isExact: false };
}

function channelOf(image) {
  const [{ scale, offset, isExact }, range] = [codeOf(image), extremes(image.pixels)];
  const windows = { "Default": image.window, "Full range": range, ...(image.unit === "HU" ? PAGE.presets : {}) };
  return {
    name: "",
    intensity: { scale, offset, is_exact: isExact, unit: image.unit || "", window: image.window, range },
    presets: Object.entries(windows).map(([name, [low, high]]) => ({ name: inLanguage(name), low, high })),
  };
}

function pictureOf(image) {
  const { pixels, channels, window: [low, high] } = image;
  if (channels === 3) return planeArray(converted(pixels, Uint8Array, (one) => Math.round(255 * Math.min(Math.max((one - low) / (high - low), 0), 1))), image, 3);
  const { scale, offset } = codeOf(image);
  if (pixels instanceof Uint8Array || pixels instanceof Uint16Array) return planeArray(pixels, image);
  return planeArray(converted(pixels, Uint16Array, (one) => Math.round((one - offset) / scale)), image);
}

// Where two label maps differ, the largest first.
function differences([first, second], names, width) {
  const found = disagreements(converted(first, Uint8Array, (value, i) => (value === second[i] ? 0 : 2)), width);
  return found.slice(0, MOST_REGIONS).map(({ pixels, left, top, right, bottom }) => {
    let i = top * width + left;
    while (first[i] === second[i]) i += 1;
    return { class_name: names[(first[i] || second[i]) - 1], size: `${formatCount(pixels)} px`, box: [0, top, left, 1, bottom + 1, right + 1], at: null };
  });
}
