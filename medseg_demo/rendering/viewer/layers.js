// Pictures of one slice at its own resolution, each kept until something it depends on changes.

// Viridis (Smith and van der Walt, CC0) in 17 stops.
const HEAT_STOPS = [
  "440154", "481a6c", "472f7d", "414487", "39568c", "31688e", "2a788e", "23888e", "1f988b", "22a884", "35b779", "54c568",
  "7ad151", "a5db36", "d2e21b", "f1e51d", "fde725",
].map(rgbOf);

function rgbOf(hex) {
  const number = parseInt(hex.replace("#", ""), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

// A colour as one number in the byte order of ImageData (little-endian machines, as all that run browsers are).
function packColour([red, green, blue], alpha = 255) {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function colourAt(stops, share) {
  const place = share * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  return stops[low].map((start, i) => Math.round(start + (stops[low + 1][i] - start) * (place - low)));
}

// The pixels last painted on a canvas, to be painted over: making megabytes anew each frame costs a part of it.
const paintedPixels = new WeakMap();

function pixelsOf(canvas, context) {
  const before = paintedPixels.get(canvas);
  if (before && before.width === canvas.width && before.height === canvas.height) {
    new Uint32Array(before.data.buffer).fill(0);
    return before;
  }
  const picture = context.createImageData(canvas.width, canvas.height);
  paintedPixels.set(canvas, picture);
  return picture;
}

function paint(width, height, fill, canvas = document.createElement("canvas")) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });  // kept where the processor writes it
  const picture = pixelsOf(canvas, context);
  fill(new Uint32Array(picture.data.buffer));
  context.putImageData(picture, 0, 0);
  return canvas;
}

// Stored numbers to grey, between the window's ends.
function greyTable(size, intensity, [low, high]) {
  const table = new Uint32Array(size);
  for (let i = 0; i < size; i += 1) {
    const share = (i * intensity.scale + intensity.offset - low) / (high - low || 1);
    const grey = Math.round(255 * Math.min(Math.max(share, 0), 1));
    table[i] = packColour([grey, grey, grey]);
  }
  return table;
}

function paintPlane(plane, table, canvas) {
  const { data } = plane;
  return paint(plane.width, plane.height, (out) => {
    for (let i = 0; i < data.length; i += 1) out[i] = table[data[i]];
  }, canvas);
}

function paintColour(plane, canvas) {
  const { data } = plane;
  return paint(plane.width, plane.height, (out) => {
    for (let i = 0, j = 0; i < out.length; i += 1, j += 3) {
      out[i] = ((255 << 24) | (data[j + 2] << 16) | (data[j + 1] << 8) | data[j]) >>> 0;
    }
  }, canvas);
}

// The pictures of the slice that one plane shows. What belongs to a prediction is kept for each of them; `slice` is then
// one of the slice's views.
class Layers {
  constructor() {
    this.made = new Map();
  }

  // The layer of this name, made anew only where its key changed; its old canvas is used again.
  once(name, key, make) {
    const before = this.made.get(name);
    if (before && before.key === key) return before.result;
    const result = make(before ? before.result : undefined);
    this.made.set(name, { key, result });
    return result;
  }

  clear() {
    this.made.clear();
  }

  image(value, state, slice) {
    if (slice.image.channels === 3) {
      return this.once("image", slice.serial, (canvas) => paintColour(slice.image, canvas));
    }
    if (state.blended) {
      const windows = state.blend.map((channel) => (channel < 0 ? "" : windowOf(state, channel)));
      return this.once("image", [slice.serial, "blend", state.blend, windows].join(), (canvas) => paintBlend(value, state, slice, canvas));
    }
    const plane = slice.images[state.channel];
    return this.once("image", [slice.serial, state.channel, state.window].join(), (canvas) =>
      paintPlane(plane, greyTable(tableSize(plane), value.channels[state.channel].intensity, state.window), canvas),
    );
  }

  model(value, state, slice) {
    const { model } = slice;
    const grey = () => greyTable(256, { scale: 1, offset: 0 }, [0, 255]);
    if (model.channels === 1) return this.once("model", slice.serial, (canvas) => paintPlane(model, grey(), canvas));
    if (!hasChannels(value)) return this.once("model", slice.serial, (canvas) => paintColour(model, canvas));
    const samples = samplesShown(state);
    return this.once("model", [slice.serial, samples].join(), (canvas) => paintSamples(model, samples, canvas));
  }

  // Labels after the live threshold.
  labels(value, state, slice) {
    return this.once(`labels ${slice.prediction}`, this.labelsKey(value, state, slice), () => currentLabels(value, state, slice));
  }

  labelsKey(value, state, slice) {
    const { prediction } = slice;
    return [slice.serial, slice.edits || 0, prediction, isLive(value, state, prediction) ? state.thresholds[prediction] : "card"].join();
  }

  // Labels as 0 where their class is switched off.
  shownLabels(value, state, slice, which = slice.prediction) {
    const key = [this.labelsKey(value, state, slice), which, state.classes.map((item) => item.shown)].join();
    return this.once(`shown ${which}`, key, () => {
      const labels = which === "reference" ? slice.reference.data : this.labels(value, state, slice);
      if (state.classes.every((item) => item.shown)) return labels;
      const table = Uint8Array.from({ length: 256 }, (_, i) => (i && state.classes[i - 1]?.shown ? i : 0));
      return labels.map((label) => table[label]);
    });
  }

  labelColours(state) {
    const table = new Uint32Array(256);
    state.classes.forEach((item, i) => {
      if (item.shown) table[i + 1] = packColour(item.colour);
    });
    return table;
  }

  fill(value, state, slice) {
    const table = this.labelColours(state);
    const key = [this.labelsKey(value, state, slice), table.subarray(0, state.classes.length + 1)].join();
    return this.once(`fill ${slice.prediction}`, key, (canvas) =>
      paintPlane({ ...slice.image, data: this.labels(value, state, slice) }, table, canvas),
    );
  }

  probability(value, state, slice) {
    const table = Uint32Array.from({ length: value.probability_levels + 1 }, (_, i) =>
      packColour(colourAt(HEAT_STOPS, i / value.probability_levels)),
    );
    const which = probabilityIndex(state, slice);
    return this.once(`probability ${slice.prediction}`, [slice.serial, which].join(), (canvas) =>
      paintPlane(slice.probabilities[which], table, canvas),
    );
  }

  heat(slice) {
    return this.once(`heat ${slice.prediction}`, slice.serial, (canvas) => paintPlane(slice.heat, heatTable(), canvas));
  }

  outcomesKey(value, state, slice) {
    return [this.labelsKey(value, state, slice), state.classes.map((item) => item.shown)].join();
  }

  // Classes that are switched off count as background in both.
  outcomes(value, state, slice) {
    return this.once(`outcomes ${slice.prediction}`, this.outcomesKey(value, state, slice), () =>
      outcomes(this.shownLabels(value, state, slice), this.shownLabels(value, state, slice, "reference")),
    );
  }

  agreementKey(value, state, slice) {
    return countedPredictions(value).map((i) => this.outcomesKey(value, state, slice.views[i])).join();
  }

  // A prediction without a label map has found nothing.
  agreement(value, state, slice) {
    const nothing = () => new Uint8Array(slice.image.width * slice.image.height);
    const views = countedPredictions(value).map((i) => slice.views[i]);
    return this.once("agreement", this.agreementKey(value, state, slice), () =>
      agreement(views.map((view) => (view.labels ? this.shownLabels(value, state, view) : nothing()))),
    );
  }
}

// A network of one class has one map, whatever class was chosen.
function probabilityIndex(state, slice) {
  return slice.probabilities.length === 1 ? 0 : Math.min(state.probabilityClass, slice.probabilities.length - 1);
}
