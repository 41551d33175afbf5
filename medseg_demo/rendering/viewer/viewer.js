// The viewer: its state, what may change it, and what happens then. `host.emit(name, data)` tells the page.

class Viewer {
  constructor(element, host) {
    this.host = host;
    this.value = null;
    this.store = new SliceStore(host);
    this.planes = Object.fromEntries(PLANES.map((plane) => [plane, { camera: new Camera(), layers: new Layers(), slice: null }]));
    this.pointer = null;
    this.direction = 1;
    this.rulersOf = new Map(); // by image, so that flipping back through cases finds them again
    this.thresholdReport = new ThresholdReport(this);
    this.panes = [];
    this.state = {
      layout: "single", plane: "axial", threePlanes: false, point: [0, 0, 0], chosen: [0], pair: [0, 1], front: 0, divider: 0.5,
      view: "overlay", mode: "fill", opacity: { overlay: 0.5, probability: 0.8, heat: 0.7 }, heat: true, thresholds: [], probabilityClass: 0,
      classes: [], window: [0, 1], windows: [], channel: 0, blended: false, blend: [], tool: "pan", rulers: [], ruler: null, measuring: null,
      region: null, crop: null, correcting: false, label: 1, brush: 9, keepTo: "all", keepRange: null, meant: "add", drawn: "box",
    };
    this.editor = new Editor(this);
    this.buildPage(element);
    this.redraw();
  }

  buildPage(element) {
    this.help = createHelp();
    this.stages = build("div", { class: "mv-stages" });
    this.stageSize = { width: 3, height: 2 };
    new ResizeObserver(([{ contentRect: { width, height } }]) => {
      if (!width || !height) return;
      this.stageSize = { width, height };
      layOutPanes(this);
    }).observe(this.stages);
    this.readout = createReadout(this);
    const [top, middle, below, panel] = [
      [createToolbar, createLayoutBar, createEditBar],
      [createSliceControl, createDividerControl, createFlickerControl, createRegionControl],
      [createNotes],
      [createEditPanel, createChannelControl, createOverlayControl, createHeatControl, createThresholdControl, createOutcomeLegend, createAgreementLegend, createClassList, createRulerList, createCropControl, createWindowControl],
    ].map((makers) => makers.map((make) => make(this)));
    const nodes = (parts) => parts.map((part) => part.node);
    this.root = build(
      "div", { class: "mv" },
      ...nodes(top), build(
        "div", { class: "mv-body" },
        build("div", { class: "mv-main" }, this.stages, ...nodes(middle), this.readout.node, ...nodes(below)),
        build("div", { class: "mv-panel" }, ...nodes(panel)),
      ), this.help.node,
    );
    this.parts = [...top, ...middle, ...below, ...panel];
    this.arrange();
    attachKeys(this, this.root);
    element.replaceChildren(this.root);
  }

  // Make the panes that the layout asks for; those that exist already stay as they are.
  arrange() {
    const contents = contentsOf(this);
    const wanted = this.visiblePlanes.flatMap((plane) => contents.map((content) => ({ plane, content })));
    const key = wanted.map(({ plane, content }) => `${plane} ${content.name}`).join();
    if (this.arranged === key) return layOutPanes(this);
    this.arranged = key;
    const hadFocus = this.stages.contains(document.activeElement);
    for (const pane of this.panes) pane.remove();
    this.panes = wanted.map(({ plane, content }) => new Pane(this, plane, content));
    this.activePane = this.panes.find((pane) => pane.plane === this.state.plane) || this.panes[0];
    this.pointer = null;
    this.stages.replaceChildren(...this.panes.map((pane) => pane.stage.node));
    layOutPanes(this);
    if (hadFocus) this.activePane.stage.node.focus({ preventScroll: true });
  }

  // A new value, or more slices of the one that is shown (the same key).
  async show(value) {
    // More slices must not take the place of a value that is still being unpacked.
    const shown = value?.adds_slices ? this.showing : (this.showing = Symbol("value"));
    const slices = value ? await Promise.all(value.slices.map(unpackSlice)) : [];
    // A new result would take the slider, or the stroke, from under the finger.
    while ((this.isHeld || this.editor.stroke) && !value?.adds_slices) await new Promise((done) => setTimeout(done, 50));
    const adds = value && this.value && (value.key === this.value.key || (value.adds_slices && value.key === ""));
    const strange = value?.adds_slices && this.value && !(adds && showsTheSame(value, this.value));
    if (strange || (this.showing !== shown && !adds)) return;
    this.store.waitingSince = 0;
    if (adds && value.editing) for (const slice of slices) this.editor.sync.bring(slice, value.editing.revision);
    if (!adds) this.replaceValue(value);
    else if (value.key === "") this.follow(value);
    for (const slice of slices) this.store.add(slice);
    this.refresh();
  }

  // Controls of the page, where they are the viewer's too.
  follow({ thresholds, crop }) {
    if (thresholds && !this.isHeld) this.state.thresholds = openThresholds({ ...this.value, thresholds });
    if (this.value.can_crop) this.state.crop = crop;
  }

  replaceValue(value) {
    const { state, value: before } = this;
    const sameImage = value && before && value.image_key === before.image_key;
    this.store.clear();
    for (const plane of Object.values(this.planes)) {
      plane.layers.clear();
      plane.slice = null;
    }
    this.value = value;
    this.editor.open(value);
    if (!value?.editing) Object.assign(state, { correcting: false, tool: editTool(state.tool) ? "pan" : state.tool });
    if (!value || !before || !showsTheSame(value, before)) this.thresholdReport.forget();
    if (!value) return;
    if (before) this.rulersOf.set(before.image_key, state.rulers);
    if (!sameImage) this.openImage(value);
    else if (value.classes.length && !before.classes.length) state.point = value.point; // to what was found in the image
    if (value.classes.length && !before?.classes.length) state.view = "overlay";
    const hasHeat = (one) => Boolean(one?.predictions.some(({ heat }) => heat));
    if (hasHeat(value) && !hasHeat(before)) Object.assign(state, { view: "overlay", mode: "outline", heat: true }); // areas would hide it
    const several = value.predictions.length > 1;
    if (!sameImage || several !== before.predictions.length > 1) state.layout = value.layout;
    if (!several) state.layout = "single";
    else if (state.layout === "single") state.layout = "side";
    const last = value.predictions.length - 1;
    const kept = state.pair[0] !== state.pair[1] && state.pair.every((i) => i <= last);
    if (!kept) state.pair = [0, Math.min(1, last)];
    if (value.predictions.length !== before?.predictions.length) state.chosen = choiceOfAll(value);
    state.thresholds = this.thresholdReport.kept(openThresholds(value));
    state.crop = value.crop;
    if (!value.can_crop && state.tool === "crop") state.tool = "pan";
    state.region = null;
    state.probabilityClass = 0;
    const wasLocked = (name) => Boolean(state.classes.find((one) => one.name === name)?.isLocked);
    state.classes = value.classes.map(({ name, colour }) => ({ name, colour: rgbOf(colour), shown: true, isLocked: wasLocked(name) }));
    if (value.editing?.tool) startCorrecting(this, true, value.editing.tool);
  }

  openImage(value) {
    for (const plane of Object.values(this.planes)) plane.camera.fitted = true;
    const { plane, point } = value;
    Object.assign(this.state, { ...openChannels(value), rulers: this.rulersOf.get(value.image_key) || [], ruler: null, measuring: null, plane, point, tool: "pan", threePlanes: false, correcting: false, keepTo: "all", keepRange: null });
    if (value.mode) this.state.mode = value.mode;
  }

  get visiblePlanes() {
    return this.value?.is_volume && this.state.threePlanes ? orderedPlanes(this.value) : [this.state.plane];
  }

  // What the active pane shows. `slice` is shared by the predictions, `view` is that of the one in front.
  get slice() {
    return this.activePane.slice;
  }

  get view() {
    return this.activePane.view;
  }

  get camera() {
    return this.activePane.camera;
  }

  get layers() {
    return this.activePane.painter.layers;
  }

  get painter() {
    return this.activePane.painter;
  }

  get seenPredictions() {
    return [...new Set(this.panes.flatMap((pane) => pane.predictions()))].sort((a, b) => a - b);
  }

  activate(pane) {
    if (this.activePane === pane) return;
    this.activePane = pane;
    this.state.plane = pane.plane;
    this.redraw();
  }

  // Take the slices that are here to the stages, ask for those that are not.
  refresh() {
    if (this.value) {
      this.arrange();
      for (const plane of this.visiblePlanes) {
        const slice = this.store.get(plane, sliceIndex(this.state, plane));
        if (!slice) continue;
        this.planes[plane].slice = slice;
        this.store.keep(slice);
      }
      this.editor.follow();
      this.settle();
      this.store.request(this.value, this.state, this.visiblePlanes, this.direction);
    } else this.arrange();
    this.redraw();
  }

  // Views and modes that the slices do not offer give way to ones that they do.
  settle() {
    const { state, slice } = this;
    if (slice && !offeredViews(slice).includes(state.view)) state.view = offeredViews(slice)[0];
    if (slice && !offeredModes(slice).includes(state.mode)) state.mode = "fill";
    for (const plane of Object.keys(this.value.planes)) {
      const { camera, slice: shown } = this.planes[plane];
      const network = state.view === "model" && shown?.model;
      const [down, right] = network ? [1, 1] : pixelSize(this.value, plane);
      const { size, reduction } = this.value.planes[plane];
      const [height, width] = network ? [network.height, network.width] : size.map((length) => Math.floor(length / reduction));
      camera.setPicture(width, height, down / right);
    }
  }

  goTo(index, plane = this.state.plane) {
    if (!this.value) return;
    const point = [...this.state.point];
    point[axisAcross(plane)] = index;
    this.moveTo(point);
  }

  moveTo(point) {
    const { state, value } = this;
    const across = axisAcross(state.plane);
    const inside = point.map((index, axis) => Math.min(Math.max(index, 0), value.shape[axis] - 1));
    if (inside[across] !== state.point[across]) this.direction = inside[across] < state.point[across] ? -1 : 1;
    state.point = inside;
    this.refresh();
  }

  set(changes) {
    Object.assign(this.state, changes);
    this.refresh();
  }

  showPlanes(choice) {
    if (choice === "three") return this.set({ threePlanes: true, tool: "point" });
    const tool = this.state.tool === "point" ? "pan" : this.state.tool;
    this.set({ threePlanes: false, plane: choice, tool });
  }

  // The channel that is looked at, or was before the blend.
  get channel() {
    return this.value.channels[this.state.channel];
  }

  showChannel(choice) {
    const { state } = this;
    const windows = state.windows.map((_, i) => windowOf(state, i));
    if (choice !== "blend") return this.set({ windows, blended: false, channel: choice, window: windows[choice] });
    this.set({ windows, blended: true, tool: state.tool === "window" ? "pan" : state.tool });
  }

  get opacity() {
    return this.state.opacity[this.state.view === "probability" ? "probability" : "overlay"];
  }

  setOpacity(share) {
    const which = this.state.view === "probability" ? "probability" : "overlay";
    this.set({ opacity: { ...this.state.opacity, [which]: Math.round(100 * Math.min(Math.max(share, 0), 1)) / 100 } });
  }

  hasThreshold(prediction) {
    if (this.value?.editing?.prediction === prediction && this.editor.isChanged) return false; // it made another mask
    return Boolean(this.value && this.value.predictions[prediction]?.threshold !== null && this.slice?.views[prediction]?.probabilities.length);
  }

  setThreshold(prediction, threshold) {
    const wanted = Number(Math.min(Math.max(threshold, 0), 1).toFixed(6));
    if (!this.hasThreshold(prediction) || wanted === this.state.thresholds[prediction]) return;
    this.set({ thresholds: this.state.thresholds.map((one, i) => (i === prediction ? wanted : one)) });
    this.thresholdReport.later(prediction);
  }

  // Whether a slider is under a finger or a pressed button.
  get isHeld() {
    return Boolean(this.root.querySelector("input[type=range]:active"));
  }

  resetThreshold(prediction) {
    this.setThreshold(prediction, this.value.predictions[prediction].threshold);
  }

  get windowLevel() {
    return (this.state.window[0] + this.state.window[1]) / 2;
  }

  get windowWidth() {
    return this.state.window[1] - this.state.window[0];
  }

  setClass(i, changes) {
    this.set({ classes: this.state.classes.map((item, j) => (i === j ? { ...item, ...changes } : item)) });
  }

  toggleTool(tool) {
    this.set({ tool: this.state.tool === tool ? "pan" : tool });
  }

  toggleMask() {
    const { mode } = this.state;
    if (mode !== "off") this.hiddenMode = mode;
    this.set({ view: "overlay", mode: mode === "off" ? this.hiddenMode || "fill" : "off" });
  }

  counts(prediction) {
    const { value, state, slice, layers } = this;
    const view = slice.views[prediction];
    return layers.once(`counts ${prediction}`, layers.labelsKey(value, state, view), () =>
      countClasses(layers.labels(value, state, view), view.reference?.data, value.classes.length),
    );
  }

  nextRegion(step) {
    const region = stepRegion(this, this.state.region, step);
    if (!region) return;
    const errors = !this.value.regions.length && this.state.layout !== "agreement";
    Object.assign(this.state, { region, view: "overlay" }, errors ? { mode: "errors" } : {});
    this.moveTo(region.at);
    for (const plane of Object.keys(this.value.planes)) {
      const { left, top, right, bottom } = boxIn(this.value, plane, region.box);
      this.planes[plane].camera.frame(left, top, right, bottom);
    }
  }

  select(pane, position) {
    if (!pane.slice || this.state.view === "model") return;
    const voxel = voxelAt(this.value, pane.plane, pane.slice.index, position);
    if (!isInside(this.value, voxel)) return;
    const [z, y, x] = voxel;
    this.host.emit("select", { index: voxel, value: null, x, y, z, plane: pane.plane, slice: pane.slice.index });
    if (this.visiblePlanes.length > 1) this.moveTo(voxel);
  }

  hover(pane, position) {
    this.pointer = position && { pane, position };
    for (const other of this.panes) {
      const linked = position && other !== pane && other.plane === pane.plane;
      other.stage.point(linked ? other.camera.toStage(position.x, position.y) : null);
    }
    this.readout.update();
    if (this.editor.tool) this.redraw();
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  escape() {
    if (escapeEditing(this)) return true;
    if (this.state.tool !== "pan" || this.state.region) this.set({ tool: "pan", measuring: null, region: null });
    else return false;
    return true;
  }

  // Something moved that all panes of a plane share.
  moveCamera(change) {
    change(this.camera);
    this.redraw();
  }

  // At most one redraw a frame, however many changes come.
  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    for (const pane of this.panes) pane.draw();
    this.readout.update();
    for (const part of this.parts) part.update();
  }
}

// While a result is being made the server may still answer from the one before, which slices must not be taken from.
function showsTheSame(one, other) {
  const names = (value) => value.predictions.map(({ name }) => name).join("\n");
  return one.image_key === other.image_key && names(one) === names(other);
}
