// The viewer: its state, what may change it, and what happens then. `host.emit(name, data)` tells the page.

const CACHED_SLICES = 64;
const SLICES_AHEAD = 8;

class Viewer {
  constructor(element, host) {
    this.host = host;
    this.value = null;
    this.slice = null;
    this.slices = new Map();
    this.pointer = null;
    this.waitingSince = 0;
    this.layers = new Layers();
    this.camera = new Camera();
    this.state = {
      view: "overlay", mode: "fill", opacity: { overlay: 0.5, probability: 0.8 }, threshold: null, probabilityClass: 0,
      classes: [], window: [0, 1], tool: "pan", slice: 0, ruler: null,
    };
    this.buildPage(element);
    this.redraw();
  }

  buildPage(element) {
    this.stage = createStage(this);
    this.help = createHelp(() => this.stage.node.focus({ preventScroll: true }));
    this.stage.node.append(this.help.node);
    this.readout = createReadout(this);
    const panel = [createOverlayControl, createThresholdControl, createWindowControl, createOutcomeLegend, createClassList];
    const parts = panel.map((create) => create(this));
    const bar = createToolbar(this);
    const slices = createSliceControl(this);
    const notes = createNotes(this);
    const below = build("div", { class: "mv-panel" }, ...parts.map((part) => part.node), notes.node);
    this.root = build("div", { class: "mv" }, bar.node, this.stage.node, slices.node, this.readout.node, below);
    this.parts = [bar, slices, ...parts, notes];
    this.painter = new Painter(this.stage.canvas, this.layers, this.camera);
    attachPointer(this, this.stage.node);
    attachKeys(this, this.root);
    element.replaceChildren(this.root);
    new ResizeObserver(() => this.resize()).observe(this.stage.node);
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage.node;
    if (!clientWidth || !clientHeight) return;
    this.painter.resize(clientWidth, clientHeight);
    this.drawNow();
  }

  // A new value, or more slices of the one that is shown (the same key).
  async show(value) {
    const shown = (this.showing = Symbol("value"));
    const slices = value ? await Promise.all(value.slices.map(unpackSlice)) : [];
    if (this.showing !== shown) return;
    this.waitingSince = 0;
    if (!value || value.key !== this.value?.key) this.replaceValue(value);
    for (const slice of slices) this.keep(slice);
    if (value) this.goTo(this.state.slice);
    else this.redraw();
  }

  replaceValue(value) {
    const sameImage = value && this.value && value.image_key === this.value.image_key;
    this.slices.clear();
    this.layers.clear();
    this.slice = null;
    this.value = value;
    if (!value) return;
    const { state } = this;
    if (!sameImage) {
      this.camera.fitted = true;
      Object.assign(state, { window: value.intensity.window, ruler: null, slice: value.slice_index, tool: "pan" });
      if (value.mode) state.mode = value.mode;
    }
    state.threshold = value.threshold;
    state.probabilityClass = 0;
    state.classes = value.classes.map(({ name, colour }) => ({ name, colour: rgbOf(colour), shown: true }));
  }

  keep(slice) {
    this.slices.delete(slice.index);
    this.slices.set(slice.index, slice);
    while (this.slices.size > CACHED_SLICES) this.slices.delete(this.slices.keys().next().value);
  }

  goTo(index) {
    if (!this.value) return;
    const wanted = Math.min(Math.max(index, 0), this.value.slice_count - 1);
    const direction = wanted < this.state.slice ? -1 : 1;
    this.state.slice = wanted;
    this.request(wanted, direction);
    const slice = this.slices.get(wanted);
    if (slice) {
      this.slice = slice;
      this.keep(slice);
      this.settle();
    }
    this.redraw();
  }

  // Ask for what is missing from here on, one request at a time.
  request(index, direction) {
    if (performance.now() - this.waitingSince < 10000 && this.waitingSince) return;
    const count = this.slices.has(index) ? SLICES_AHEAD : SLICES_AHEAD / 4;
    const ahead = Array.from({ length: count }, (_, i) => index + i * direction);
    const missing = ahead.filter((i) => i >= 0 && i < this.value.slice_count && !this.slices.has(i));
    if (!this.host.offersSlices || !missing.length) return;
    if (!missing.includes(index) && missing.length < SLICES_AHEAD / 2) return;
    this.waitingSince = performance.now();
    this.host.emit("change_slice", { slice: index, slices: missing, key: this.value.key });
  }

  // Views and modes that the new slice does not offer give way to ones that it does.
  settle() {
    const { state, slice } = this;
    if (!offeredViews(slice).includes(state.view)) state.view = offeredViews(slice)[0];
    if (!offeredModes(slice).includes(state.mode)) state.mode = "fill";
    if (state.probabilityClass >= slice.probabilities.length) state.probabilityClass = 0;
    const plane = state.view === "model" ? slice.model : slice.image;
    const [sy, sx] = state.view !== "model" && this.value.spacing_mm ? this.value.spacing_mm.slice(-2) : [1, 1];
    this.camera.setPicture(plane.width, plane.height, sy / sx);
  }

  set(changes) {
    if (changes.view && changes.view !== this.state.view) changes.ruler = null;
    Object.assign(this.state, changes);
    if (this.slice) this.settle();
    this.redraw();
  }

  get opacity() {
    return this.state.opacity[this.state.view === "probability" ? "probability" : "overlay"];
  }

  setOpacity(share) {
    const which = this.state.view === "probability" ? "probability" : "overlay";
    this.set({ opacity: { ...this.state.opacity, [which]: Math.round(100 * Math.min(Math.max(share, 0), 1)) / 100 } });
  }

  get hasThreshold() {
    return Boolean(this.value && this.value.threshold !== null && this.slice?.probabilities.length);
  }

  resetThreshold() {
    if (this.hasThreshold) this.set({ threshold: this.value.threshold });
  }

  get windowLevel() {
    return (this.state.window[0] + this.state.window[1]) / 2;
  }

  get windowWidth() {
    return this.state.window[1] - this.state.window[0];
  }

  setWindow(window) {
    this.set({ window });
  }

  setClass(i, changes) {
    this.set({ classes: this.state.classes.map((item, j) => (i === j ? { ...item, ...changes } : item)) });
  }

  toggleClass(i) {
    this.setClass(i, { shown: !this.state.classes[i].shown });
  }

  toggleTool(tool) {
    this.set({ tool: this.state.tool === tool ? "pan" : tool });
  }

  toggleMask() {
    const { mode } = this.state;
    if (mode !== "off") this.hiddenMode = mode;
    this.set({ view: "overlay", mode: mode === "off" ? this.hiddenMode || "fill" : "off" });
  }

  nextView() {
    const views = offeredViews(this.slice);
    this.set({ view: views[(views.indexOf(this.state.view) + 1) % views.length] });
  }

  counts() {
    const { value, state, slice, layers } = this;
    return layers.once("counts", layers.labelsKey(value, state, slice), () =>
      countClasses(layers.labels(value, state, slice), slice.reference?.data, value.classes.length),
    );
  }

  // What the scale bar needs to know: the network's own grid has no millimetres.
  get shownGeometry() {
    return this.state.view === "model" ? { spacing_mm: null, reduction: 1 } : this.value;
  }

  nextDisagreement(step) {
    const { value, state, slice, layers } = this;
    if (!slice?.reference || !slice.labels) return;
    const found = layers.outcomes(value, state, slice);
    const key = layers.outcomesKey(value, state, slice);
    const visit = layers.once("visit", key, () => ({ regions: disagreements(found, slice.image.width), at: step > 0 ? -1 : 0 }));
    if (!visit.regions.length) return;
    visit.at = (visit.at + step + visit.regions.length) % visit.regions.length;
    const region = visit.regions[visit.at];
    this.set({ view: "overlay", mode: "errors" });
    this.camera.frame(region.left, region.top, region.right, region.bottom);
    this.redraw();
  }

  select(position) {
    const index = originalIndex(this.value, position);
    const [height, width] = this.value.original_size;
    if (this.state.view === "model" || index.x < 0 || index.y < 0 || index.x >= width || index.y >= height) return;
    this.host.emit("select", { index: [this.slice.index, index.y, index.x], value: null, ...index, slice: this.slice.index });
  }

  hover(position) {
    this.pointer = position;
    this.readout.update();
  }

  zoom(factor, x, y) {
    this.camera.zoom(factor, x, y);
    this.redraw();
  }

  pan(dx, dy) {
    this.camera.move(dx, dy);
    this.redraw();
  }

  fit() {
    this.camera.fit();
    this.redraw();
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  escape() {
    if (!this.help.node.hidden) this.help.toggle(false);
    else if (this.state.tool !== "pan" || this.state.ruler) this.set({ tool: "pan", ruler: null });
    else return false;
    return true;
  }

  get message() {
    if (!this.value) return "No image yet";
    if (!this.slice || this.slice.index !== this.state.slice) return `Loading slice ${this.state.slice + 1} …`;
    return "";
  }

  // At most one redraw a frame, however many changes come.
  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.painter.draw(this.value, this.state, this.slice);
    this.stage.update();
    this.readout.update();
    for (const part of this.parts) part.update();
  }
}
