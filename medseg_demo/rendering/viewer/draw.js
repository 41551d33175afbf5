// One redraw of the stage: the picture, what lies over it, and the ruler.

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

  draw(value, state, slice) {
    const { context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!slice) return;
    if (state.view === "model") this.place(context, this.layers.model(slice));
    else this.place(context, this.layers.image(value, state, slice));
    if (state.view === "overlay") this.drawOverlay(value, state, slice);
    if (state.view === "probability") this.place(context, this.layers.probability(value, state, slice), state.opacity.probability);
    if (state.ruler) this.drawRuler(state.ruler);
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
    this.cover(layers.once("outline", key, (canvas) => paintOutline(labels, camera, ratio, table, canvas)), state);
  }

  drawOutcomes(value, state, slice) {
    const { layers, camera, ratio } = this;
    const found = layers.outcomes(value, state, slice);
    const key = [layers.outcomesKey(value, state, slice), camera.key, ratio].join();
    this.cover(layers.once("outcome picture", key, (canvas) => paintOutcomes(found, camera, ratio, canvas)), state);
  }

  // Lay a picture of the stage's own size over it; thin lines need more colour than areas.
  cover(picture, state) {
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.globalAlpha = Math.min(1, 0.3 + state.opacity.overlay);
    this.context.drawImage(picture, 0, 0);
    this.context.globalAlpha = 1;
  }

  drawRuler({ from, to }) {
    const { context, camera, ratio } = this;
    const start = camera.toStage(from.x, from.y);
    const end = camera.toStage(to.x, to.y);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.lineCap = "round";
    for (const [width, colour] of [[5, "#000"], [2, "#ffd84d"]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(start.x, start.y);
      context.lineTo(end.x, end.y);
      for (const { x, y } of [start, end]) {
        const length = Math.hypot(end.x - start.x, end.y - start.y) || 1;
        const [dx, dy] = [(6 * (end.y - start.y)) / length, (-6 * (end.x - start.x)) / length];
        context.moveTo(x - dx, y - dy);
        context.lineTo(x + dx, y + dy);
      }
      context.stroke();
    }
  }
}

// A scale bar of a round length, at most a quarter of the stage wide.
function scaleBar(value, camera) {
  const unit = value.spacing_mm ? "mm" : "px";
  const perPicturePixel = value.spacing_mm ? value.spacing_mm.at(-1) * value.reduction : value.reduction;
  const longest = (camera.stage.width / 4 / camera.scaleX) * perPicturePixel;
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = [5, 2, 1].map((step) => step * power).find((candidate) => candidate <= longest);
  const asCentimetres = unit === "mm" && length >= 10;
  const text = asCentimetres ? `${formatNumber(length / 10)} cm` : `${formatNumber(length)} ${unit}`;
  return { width: (length / perPicturePixel) * camera.scaleX, text };
}
