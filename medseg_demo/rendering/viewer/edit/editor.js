// Corrections of one prediction by hand: what a stroke changes, undo and redo, and what the server says of it.

const BRUSH_SIZES = [1, 100];
const MOST_OF_A_STEP = 20000; // runs; more travel as several steps
const MOST_UNDONE = 1000000; // runs that can be undone

class Editor {
  constructor(viewer) {
    this.viewer = viewer;
    this.sync = new EditSync(viewer, this);
    this.clicker = new Clicker(this);
    this.open(null);
  }

  // A new value: what was done to the one before lies at the server, and cannot be undone here.
  open(value) {
    Object.assign(this, { stroke: null, draft: null, cursor: null, done: [], undone: [], kept: 0, words: "", painted: [] });
    this.changedSlices = value?.editing?.changed_slices || [];
    this.isReplaced = false;
    this.sync.open(value);
    this.clicker.finish();
  }

  get prediction() {
    return this.viewer.value.editing.prediction;
  }

  get tool() {
    return this.viewer.state.correcting ? editTool(this.viewer.state.tool) : undefined;
  }

  // The label value that is painted; 0 is background.
  get label() {
    const { value, state } = this.viewer;
    return value.editing.classes.includes(state.label) || !state.label ? state.label : value.editing.classes[0] || 0;
  }

  get isChanged() {
    return this.changedSlices.length > 0 || this.done.length > 0;
  }

  say(words) {
    this.words = words;
    this.viewer.redraw();
  }

  // Why nothing can be painted on a pane, in words; empty where it can.
  refusal(pane = this.viewer.activePane) {
    const { value, state } = this.viewer;
    if (!value?.editing || !pane.slice) return "There is no label map here to correct.";
    if (this.isReplaced) return "This result was replaced meanwhile: what is painted here would be lost. Open it again.";
    if (Object.values(value.planes).some(({ reduction }) => reduction > 1)) return "This image is shown reduced, and labels are corrected pixel by pixel. Download the label map, and correct it in another program.";
    if (isLive(value, state, this.prediction)) return "The threshold was moved: wait until the result is that of the new one.";
    if (this.sync.wish && this.tool !== CLICK) return "The server is still working on what was asked for.";
    if (state.view === "model") return "What the network saw has no labels: choose another view.";
    if (pane.content.kind !== "prediction" || pane.content.prediction(state) !== this.prediction) return `Corrections go to ${value.predictions[this.prediction].name}: paint where it is shown alone.`;
    return "";
  }

  begin(pane, kind, label) {
    const { value } = this.viewer;
    const { slice } = pane;
    const keeper = keeperOf(this.viewer, slice);
    this.stroke = { pane, kind, label, slice, keeper, before: new Map(), lattice: latticeOf(value, pane.plane, slice.index), sides: pixelSize(value, pane.plane) };
  }

  // Give pixels of the slice under the stroke its label, but for protected classes and other intensities.
  paintPixels(pixels) {
    const { stroke: { slice, label, before, lattice, keeper }, viewer } = this;
    const { data, width } = slice.views[this.prediction].labels;
    const locked = lockedLabels(viewer);
    const held = new HeldSlices(viewer, this.prediction);
    for (const i of pixels) {
      if (data[i] === label || locked.has(data[i]) || (keeper && !keeper(i))) continue;
      const place = lattice.start + Math.floor(i / width) * lattice.down + (i % width) * lattice.right;
      if (!before.has(place)) before.set(place, data[i]);
      held.write(place, label);
    }
    held.finish();
    viewer.redraw();
  }

  paintAlong(from, to) {
    if (this.stroke) this.paintPixels(pixelsAlong(this.stroke.slice.image, from, to, this.viewer.state.brush / 2, this.stroke.sides));
  }

  paintRegion(at) {
    const { slice, keeper } = this.stroke;
    const { labels } = slice.views[this.prediction];
    const [x, y] = [Math.floor(at.x), Math.floor(at.y)];
    if (x < 0 || y < 0 || x >= labels.width || y >= labels.height) return;
    const start = y * labels.width + x;
    if (!keeper || keeper(start)) this.paintPixels(pixelsAround(labels, start, keeper || undefined));
  }

  beginDraft(pane, at) {
    this.draft = { pane, slice: pane.slice, corners: [at] };
    this.viewer.redraw();
  }

  fillDraft(kind) {
    const { draft } = this;
    this.draft = null;
    if (draft && draft.corners.length > 2) {
      this.begin(draft.pane, kind, this.label);
      this.paintPixels(pixelsWithin(draft.slice.image, draft.corners));
      this.commit();
    }
    this.viewer.redraw();
  }

  // What was drawn belongs to its slice: it goes with it.
  follow() {
    if (this.draft && this.draft.pane.slice !== this.draft.slice) this.draft = null;
    if (this.stroke && this.stroke.pane.slice !== this.stroke.slice) {
      this.commit();
      if (this.cursor) this.cursor.isDown = false;
    }
    if (this.cursor && !this.viewer.panes.includes(this.cursor.pane)) this.cursor = null;
  }

  // The end of a stroke: from now on it can be undone.
  commit() {
    const { stroke } = this;
    this.stroke = null;
    if (!stroke) return;
    if (!stroke.before.size) return this.say("");
    const { plane, index } = stroke.slice;
    this.painted = [...this.painted.filter((one) => one.plane !== plane || one.index !== index), { plane, index }];
    this.record(stroke.kind, runsOf(stroke.before, stroke.label));
  }

  // A second finger came: a stroke that has hardly begun was none; a longer one is kept.
  interrupt(moved) {
    if (moved) return this.commit();
    const { stroke } = this;
    this.stroke = null;
    if (this.tool === POLYGON) this.draft?.corners.pop();
    if (!this.draft?.corners.length || this.tool === LASSO) this.draft = null;
    if (!stroke) return;
    const held = new HeldSlices(this.viewer, this.prediction);
    for (const [place, label] of stroke.before) held.write(place, label);
    held.finish();
    this.viewer.redraw();
  }

  record(kind, runs) {
    if (kind !== "click") this.clicker.finish(); // the next click starts from what was painted
    this.done.push(runs);
    this.undone = [];
    this.kept += runs.length;
    while (this.kept > MOST_UNDONE && this.done.length > 1) this.kept -= this.done.shift().length;
    this.tell(kind, runs);
  }

  tell(kind, runs) {
    this.words = "";
    addToTotals(this.viewer.value, this.prediction, runs);
    for (let i = 0; i < runs.length; i += MOST_OF_A_STEP) this.sync.add(kind, runs.slice(i, i + MOST_OF_A_STEP));
    this.viewer.redraw();
  }

  // What the server worked out is done here, and comes back to it as a step like any other.
  accept(kind, runs) {
    if (kind === "click") this.clicker.accepted(runs);
    this.write(runs, kind === "click"); // what goes on in other slices leaves the person where the object was clicked
    this.record(kind, runs);
  }

  undo() {
    const runs = this.stroke || this.refusal() ? null : this.done.pop();
    if (!runs) return;
    this.kept -= runs.length;
    this.undone.push(runs);
    this.clicker.follow(runs, true);
    this.write(invertedRuns(runs));
    this.tell("undo", invertedRuns(runs));
  }

  redo() {
    const runs = this.stroke || this.refusal() ? null : this.undone.pop();
    if (!runs) return;
    this.kept += runs.length;
    this.done.push(runs);
    this.clicker.follow(runs, false);
    this.write(runs);
    this.tell("redo", runs);
  }

  // Into all slices that are here; what changed is brought into sight.
  write(runs, stays = false) {
    const { viewer } = this;
    const held = new HeldSlices(viewer, this.prediction);
    held.writeRuns(runs);
    const written = held.finish();
    if (!stays && !viewer.panes.some((pane) => written.has(pane.slice))) viewer.moveTo(voxelOf(viewer.value, runs[0][0]));
    viewer.redraw();
  }

  fillBetween(first, last) {
    const { state } = this.viewer;
    if (this.refusal()) return this.say(this.refusal());
    if (!this.label) return this.say("Choose a class to fill: background cannot be.");
    this.sync.ask("fill_between", { label: this.label, plane: state.plane, first, last, protected: [...lockedLabels(this.viewer)] });
    this.viewer.redraw();
  }

  // `from` is another prediction, or −1 for the result as it was before it was corrected.
  copy(from, { onlyClass, onlySlice }) {
    const { state } = this.viewer;
    if (this.refusal()) return this.say(this.refusal());
    const { plane } = state;
    this.sync.ask("copy", {
      prediction: from, label: onlyClass ? this.label : null, plane, slices: onlySlice ? [sliceIndex(state, plane)] : null,
      protected: [...lockedLabels(this.viewer)],
    });
    this.viewer.redraw();
  }

  hear(answer) {
    const { viewer } = this;
    if (!viewer.value?.editing || answer.key !== viewer.value.key) return;
    this.sync.hear(answer);
    this.changedSlices = answer.changed_slices;
    if (answer.totals) viewer.value.predictions[this.prediction].totals = answer.totals;
    if (answer.reload) this.reload(answer);
    if (answer.problem) this.words = answer.problem;
    viewer.redraw();
  }

  // The server holds something else, or nothing any more: what was painted here since is gone, and that is said.
  reload({ problem, revision, saved, changed_slices: changedSlices, is_gone: isGone }) {
    const { viewer } = this;
    const { value } = viewer;
    this.open({ ...value, editing: { ...value.editing, revision, saved, changed_slices: changedSlices } });
    Object.assign(this, { words: problem, isReplaced: isGone });
    if (isGone) return;
    viewer.store.clear();
    for (const plane of Object.values(viewer.planes)) {
      plane.layers.clear();
      plane.slice = null;
    }
    viewer.refresh();
  }
}

// Which intensities are painted on, as a test of a slice's pixels; null where all are.
function keeperOf({ value, state }, slice) {
  const image = slice.images[state.channel];
  if (state.keepTo === "all" || state.blended || image?.channels !== 1) return null;
  const { scale, offset } = value.channels[state.channel].intensity;
  const [low, high] = state.keepTo === "window" ? state.window : state.keepRange;
  return (i) => {
    const intensity = image.data[i] * scale + offset;
    return intensity >= low && intensity <= high;
  };
}

function lockedLabels({ state }) {
  return new Set(state.classes.flatMap(({ isLocked }, i) => (isLocked ? [i + 1] : [])));
}

// The volume's sizes follow; how much of it lies in a reference only the server can count, and a threshold makes it no more.
function addToTotals(value, prediction, runs) {
  const one = value.predictions[prediction];
  if (one.histogram) one.histogram = null;
  if (!one.totals) return;
  const change = new Map();
  const add = (label, length) => change.set(label, (change.get(label) || 0) + length);
  for (const [, length, before, after] of runs) {
    add(before, -length);
    add(after, length);
  }
  one.totals = one.totals.map((each, i) => ({ predicted: each.predicted + (change.get(i + 1) || 0), reference: null, both: null }));
}
