// One redraw of the stage: the picture and what lies over it.

class Painter {
  constructor(canvas, layers, camera) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.layers = layers;
    this.camera = camera;
    this.ratio = 1;
  }

  resize(width, height) {
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.max(1, Math.round(width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(height * this.ratio));
    this.camera.setStage(width, height);
  }

  // `content` says which of the slice's predictions are shown, and how (see panes.js).
  draw(value, state, slice, content) {
    const { context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!slice) return;
    const network = state.view === "model" && slice.model;
    if (network) this.place(context, this.layers.model(value, state, slice));
    else if (!missingChannels({ value, state }, slice)) this.place(context, this.layers.image(value, state, slice));
    if (!network) this.drawContent(value, state, slice, content);
  }

  drawContent(value, state, slice, content) {
    if (content.kind === "agreement") this.drawAgreement(value, state, slice);
    else if (content.kind === "swipe") this.drawHalves(value, state, slice);
    else this.drawPrediction(value, state, slice.views[content.prediction(state)]);
  }

  drawHalves(value, state, slice) {
    const middle = Math.round(state.divider * this.canvas.width);
    const halves = [[0, middle], [middle, this.canvas.width]];
    state.pair.forEach((prediction, i) => {
      this.context.save();
      this.context.setTransform(1, 0, 0, 1, 0, 0);
      this.context.beginPath();
      this.context.rect(halves[i][0], 0, halves[i][1] - halves[i][0], this.canvas.height);
      this.context.clip();
      this.drawPrediction(value, state, slice.views[prediction]);
      this.context.restore();
    });
  }

  drawPrediction(value, state, view) {
    if (showsHeat(state, view)) this.place(this.context, this.layers.heat(view), state.opacity.heat);
    if (state.view === "overlay") this.drawOverlay(value, state, view);
    if (state.view === "probability" && view.probabilities.length) {
      this.place(this.context, this.layers.probability(value, state, view), state.opacity.probability);
    }
  }

  // Single pixels show as squares when enlarged; reduced pictures are averaged.
  place(context, layer, opacity = 1) {
    const { camera, ratio } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = camera.scale < 1;
    context.imageSmoothingQuality = "medium";
    const { width, height } = camera.picture;
    context.drawImage(layer, camera.x, camera.y, width * camera.scaleX, height * camera.scaleY);
    context.globalAlpha = 1;
  }

  drawOverlay(value, state, slice) {
    if (state.mode === "off" || !slice.labels) return;
    if (state.mode === "errors" && slice.reference) {
      this.drawOutcomes(value, state, slice);
    } else if (state.mode === "fill") this.place(this.context, this.layers.fill(value, state, slice), state.opacity.overlay);
    else this.drawOutline(value, state, slice);
  }

  drawOutline(value, state, slice) {
    const { layers, camera, ratio } = this;
    const labels = layers.shownLabels(value, state, slice);
    const table = layers.labelColours(state);
    const labelsKey = layers.labelsKey(value, state, slice);
    const key = [labelsKey, camera.key, ratio, table.subarray(0, state.classes.length + 1)].join();
    this.cover(layers.once(`outline ${slice.prediction}`, key, (canvas) => paintOutline(labels, camera, ratio, table, canvas)), state);
  }

  drawOutcomes(value, state, slice) {
    const { layers, camera, ratio } = this;
    const found = layers.outcomes(value, state, slice);
    const key = [layers.outcomesKey(value, state, slice), camera.key, ratio].join();
    const make = (canvas) => paintPatterns(found, OUTCOME_TILES, camera, ratio, canvas);
    this.cover(layers.once(`outcome picture ${slice.prediction}`, key, make), state);
  }

  drawAgreement(value, state, slice) {
    if (state.view !== "overlay" || state.mode === "off") return;
    const { layers, camera, ratio } = this;
    const tiles = agreementTiles(value);
    const found = layers.agreement(value, state, slice);
    const key = [layers.agreementKey(value, state, slice), camera.key, ratio].join();
    this.cover(layers.once("agreement picture", key, (canvas) => paintPatterns(found, tiles, camera, ratio, canvas)), state);
  }

  // Lay a picture of the stage's own size over it; thin lines need more colour than areas.
  cover(picture, state) {
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.globalAlpha = Math.min(1, 0.3 + state.opacity.overlay);
    this.context.drawImage(picture, 0, 0);
    this.context.globalAlpha = 1;
  }

  // The region that N and P went to, a little outside it.
  drawRegion({ left, top, right, bottom }) {
    const { context, camera, ratio } = this;
    const start = camera.toStage(left, top);
    const end = camera.toStage(right + 1, bottom + 1);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const [colour, dash] of [["#000", []], ["#fff", [5, 4]]]) {
      context.lineWidth = colour === "#000" ? 3 : 1.5;
      context.strokeStyle = colour;
      context.setLineDash(dash);
      context.strokeRect(start.x - 5, start.y - 5, end.x - start.x + 10, end.y - start.y + 10);
    }
    context.setLineDash([]);
  }
}

// A scale bar of a round length that its words fit on and that ends before the letter below; about a quarter of a wide
// stage. `pixel` is the length of one in the picture.
function scaleBar(pixel, unit, camera) {
  const { width } = camera.stage;
  const room = Math.max(width / 8, Math.min(width / 2 - 32, Math.max(width / 4, 120)));
  const longest = (room / camera.scaleX) * pixel;
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = [5, 2, 1].map((step) => step * power).find((candidate) => candidate <= longest);
  const asCentimetres = unit === "mm" && length >= 10;
  const text = asCentimetres ? `${formatNumber(length / 10)} cm` : `${formatNumber(length)} ${unit}`;
  return { width: (length / pixel) * camera.scaleX, text };
}
