// What the current mask amounts to: counts by class, and overlap with a reference, at any threshold.

const QUIET = 300;

// Probabilities come in whole steps of 1 / levels, rounded up, so that "above t" is exact for every threshold t on a step.
function thresholdStep(threshold, levels) {
  return Math.round(threshold * levels);
}

// Where the sliders stand: where the value says, else at the thresholds of the results.
function openThresholds({ predictions, thresholds }) {
  return predictions.map(({ threshold }, i) => (threshold === null ? null : thresholds?.[i] ?? threshold));
}

// Whether a prediction is shown at another threshold than that of its result.
function isLive(value, state, prediction) {
  const { threshold } = value.predictions[prediction];
  return threshold !== null && state.thresholds[prediction] !== threshold;
}

// Tells the page a threshold that a person let go of; a slider that is held, or a key that is pressed again, goes on.
class ThresholdReport {
  constructor(viewer) {
    this.viewer = viewer;
    this.timers = new Map();
  }

  later(prediction) {
    clearTimeout(this.timers.get(prediction));
    this.timers.set(prediction, setTimeout(() => this.tell(prediction), QUIET));
  }

  tell(prediction) {
    const { viewer } = this;
    if (viewer.isHeld) return this.later(prediction);
    this.timers.delete(prediction);
    const { value, state, host } = viewer;
    const threshold = state.thresholds[prediction];
    if (Number.isFinite(threshold)) host.emit("threshold", { prediction, value: threshold, key: value.key, point: state.point });
  }

  // A result that was made at an earlier threshold does not take back one that is still to be told.
  kept(thresholds) {
    return thresholds.map((one, i) => (this.timers.has(i) && one !== null ? this.viewer.state.thresholds[i] : one));
  }

  forget() {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }
}

// Labels after the live threshold, before class switches.
function currentLabels(value, state, slice) {
  const { prediction } = slice;
  if (!isLive(value, state, prediction) || !slice.probabilities.length) return slice.labels ? slice.labels.data : null;
  const steps = slice.probabilities[0].data;
  const limit = thresholdStep(state.thresholds[prediction], value.probability_levels);
  const label = value.predictions[prediction].threshold_label;
  const labels = new Uint8Array(steps.length);
  for (let i = 0; i < steps.length; i += 1) labels[i] = steps[i] > limit ? label : 0;
  return labels;
}

// For each class: pixels of the prediction and of the reference, and those in both.
function countClasses(labels, reference, classes) {
  const [predicted, expected, both] = [0, 1, 2].map(() => new Int32Array(256));
  for (let i = 0; i < labels.length; i += 1) {
    predicted[labels[i]] += 1;
    if (!reference) continue;
    expected[reference[i]] += 1;
    if (labels[i] === reference[i]) both[labels[i]] += 1;
  }
  return Array.from({ length: classes }, (_, i) => ({
    predicted: predicted[i + 1],
    reference: reference ? expected[i + 1] : null,
    dice: reference ? diceOf(both[i + 1], predicted[i + 1], expected[i + 1]) : null,
  }));
}

// Both empty: the class is rightly absent, and Dice has no value.
function diceOf(both, predicted, expected) {
  return predicted + expected === 0 ? NaN : (2 * both) / (predicted + expected);
}

function highestProbability(slice, levels) {
  let highest = 0;
  for (const map of slice.probabilities) for (const step of map.data) if (step > highest) highest = step;
  return highest / levels;
}

// The outcome at each pixel: 1 true positive, 2 false positive, 3 false negative, 4 another class than the reference.
function outcomes(labels, reference) {
  const result = new Uint8Array(labels.length);
  for (let i = 0; i < labels.length; i += 1) {
    const p = labels[i];
    const r = reference[i];
    if (p === r) result[i] = p ? 1 : 0;
    else if (!r) result[i] = 2;
    else result[i] = p ? 4 : 3;
  }
  return result;
}

// Connected regions (sharing an edge) where prediction and reference differ, largest first.
function disagreements(result, width) {
  const seen = new Uint8Array(result.length);
  const stack = new Int32Array(result.length);
  const regions = [];
  for (let start = 0; start < result.length; start += 1) {
    if (result[start] < 2 || seen[start]) continue;
    const region = { pixels: 0, left: width, right: 0, top: Infinity, bottom: 0 };
    let depth = 0;
    stack[depth++] = start;
    seen[start] = 1;
    while (depth) {
      const i = stack[--depth];
      const x = i % width;
      const y = (i - x) / width;
      region.pixels += 1;
      region.left = Math.min(region.left, x);
      region.right = Math.max(region.right, x);
      region.top = Math.min(region.top, y);
      region.bottom = Math.max(region.bottom, y);
      for (const [j, inside] of [[i - 1, x > 0], [i + 1, x < width - 1], [i - width, true], [i + width, true]]) {
        if (inside && result[j] > 1 && !seen[j]) {
          seen[j] = 1;
          stack[depth++] = j;
        }
      }
    }
    regions.push(region);
  }
  return regions.sort((a, b) => b.pixels - a.pixels);
}
