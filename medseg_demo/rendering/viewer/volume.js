// What a whole volume amounts to at any threshold, although the browser holds only some of its slices: the server
// counted how many voxels have each step of probability, within the reference and outside it.

function sumAbove(counts, step) {
  let sum = 0;
  for (let i = step + 1; i < counts.length; i += 1) sum += counts[i];
  return sum;
}

// For each class {predicted, reference, both} in voxels; null where the value is of an image.
function volumeCounts(value, state, prediction) {
  const { totals, histogram, threshold_label: label } = value.predictions[prediction];
  if (!totals || !isLive(value, state, prediction)) return totals;
  if (!histogram) return null;
  const { inside, outside } = histogram[value.classes[label - 1].name];
  const step = thresholdStep(state.thresholds[prediction], value.probability_levels);
  const both = sumAbove(inside, step);
  const live = { predicted: both + sumAbove(outside, step), both };
  return totals.map((one, i) => (i === label - 1 ? { ...one, ...live } : one));
}

function volumeDice({ predicted, reference, both }) {
  return reference === null ? null : diceOf(both, predicted, reference);
}

// Millilitres where the spacing is known, else voxels.
function volumeText(value, voxels) {
  if (!value.spacing_mm) return `${formatCount(voxels)} voxels`;
  return `${formatNumber((voxels * value.spacing_mm.reduce((product, step) => product * step)) / 1000, 4)} ml`;
}
