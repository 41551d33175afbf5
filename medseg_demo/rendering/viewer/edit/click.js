// Click to segment: what was said of one object (clicks, lines, a box), asked of the server, whose answer is a step like
// any other. Undo takes back the last thing that was said.

const FAR = 6; // pixels of the page from which a press is no click
const MOST_FOLLOWED = 100; // slices on either side
const DRAWN = [["box", "Box", "A drag draws a box around the object"], ["line", "Line", "A drag draws a line along the object"]];
const MEANT = [["add", "On it", "A press is on the object"], ["remove", "Beside it", "A press is where the object is not (X, the right button, or Shift)"]];
const NOTHING_SAID = { clicks: [], scribbles: [], box: null };

class Clicker {
  constructor(editor) {
    this.editor = editor;
    this.number = 0;
    this.finish();
  }

  // The next thing that is said is of another object, which starts from what lies there.
  finish() {
    this.number += 1;
    Object.assign(this, { place: null, told: NOTHING_SAID, answered: NOTHING_SAID, line: null, isBehind: false });
  }

  // Where a press belongs: another slice or class is another object.
  open(pane) {
    const { label } = this.editor;
    const place = `${pane.plane} ${pane.slice.index} ${label}`;
    if (this.place !== place) this.finish();
    this.place = place;
    Object.assign(this, { plane: pane.plane, index: pane.slice.index, label });
  }

  say(told) {
    this.told = told;
    this.ask();
  }

  // One question at a time; what was said meanwhile is asked when the answer is there.
  ask() {
    const { editor } = this;
    this.isBehind = Boolean(editor.sync.wish);
    if (this.isBehind) return;
    this.answered = this.told;
    const { viewer } = editor;
    editor.sync.ask("find_object", {
      ...this.told, number: this.number, label: this.label, plane: this.plane, slice: this.index, channel: viewer.state.channel,
      protected: [...lockedLabels(viewer)],
    });
    viewer.redraw();
  }

  // The answer is a step now, which knows what was said before and after it.
  accepted(runs) {
    runs.object = this.number;
    runs.after = this.answered;
    runs.before = this.last || NOTHING_SAID;
    this.last = this.answered;
  }

  goOn() {
    if (this.isBehind) this.ask();
  }

  // A step was undone or done again: what was said goes with it; of another object nothing more is said.
  follow(runs, isUndone) {
    if (runs.object !== this.number) return this.finish();
    this.told = this.answered = this.last = isUndone ? runs.before : runs.after;
  }

  propagate(before, after) {
    const { editor } = this;
    const { viewer } = editor;
    const { state } = viewer;
    const why = editor.refusal() || (editor.label ? "" : "Choose a class to follow: background cannot be.");
    if (why) return editor.say(why);
    const [label, plane] = [editor.label, state.plane];
    this.finish();
    editor.sync.ask("propagate", {
      label, plane, slice: sliceIndex(state, plane), before, after, channel: state.channel,
      protected: [...lockedLabels(viewer)],
    });
    viewer.redraw();
  }
}

const CLICK = {
  name: "click",
  label: "Click: a network finds the object (K)",
  key: "k",
  takesRight: true,
  press: ({ clicker, viewer }, pane, at, reach, event) => {
    const isNegative = event?.button === 2 || event?.shiftKey || viewer.state.meant === "remove";
    clicker.line = { pane, points: [at], isNegative };
  },
  drag: ({ clicker }, pane, at) => clicker.line?.points.push(at),
  release: (editor) => {
    const { clicker, viewer } = editor;
    const { line } = clicker;
    clicker.line = null;
    if (!line) return;
    if (!editor.label) return editor.say("Choose a class for the object: background cannot be.");
    const said = whatWasDrawn(viewer, line);
    if (!said) return editor.say("That lies outside of the image. Click into it.");
    if (said.box) clicker.finish(); // a box is around another object
    clicker.open(line.pane);
    const { told } = clicker;
    if (said.box) clicker.say({ ...NOTHING_SAID, box: said.box });
    else if (said.points) clicker.say({ ...told, scribbles: [...told.scribbles, { points: said.points, positive: !line.isNegative }] });
    else clicker.say({ ...told, clicks: [...told.clicks, [...said.point, !line.isNegative]] });
  },
  draw: drawClicks,
};

// A press, a line or a box in the rows and columns of the slice; null where it lies outside.
function whatWasDrawn(viewer, { pane, points, isNegative }) {
  const places = points.map((at) => rowAndColumn(viewer.value, pane, at)).filter(Boolean);
  if (!places.length) return null;
  const [first, last] = [points[0], points.at(-1)].map(({ x, y }) => pane.camera.toStage(x, y));
  const far = Math.max(...points.map((at) => pane.camera.toStage(at.x, at.y)).map(({ x, y }) => Math.hypot(x - first.x, y - first.y)));
  if (far < FAR) return { point: places[0] };
  if (isNegative || viewer.state.drawn === "line") return { points: places };
  const [start, end] = [points[0], points.at(-1)].map((at) => rowAndColumn(viewer.value, pane, at, true));
  const [top, bottom] = [start[0], end[0]].sort((a, b) => a - b);
  const [left, right] = [start[1], end[1]].sort((a, b) => a - b);
  return Math.hypot(first.x - last.x, first.y - last.y) < FAR ? { points: places } : { box: [top, left, bottom + 1, right + 1] };
}

// As the array has them, (row, column); null outside, or moved to the border.
function rowAndColumn(value, pane, at, isMoved = false) {
  const voxel = voxelAt(value, pane.plane, pane.slice.index, at);
  const inside = voxel.map((place, axis) => Math.min(Math.max(place, 0), value.shape[axis] - 1));
  if (!isMoved && voxel.some((place, axis) => place !== inside[axis])) return null;
  return inside.filter((_, axis) => axis !== axisAcross(pane.plane));
}

// The middle of a pixel in the picture, from its row and column.
function inPicture({ planes }, plane, [row, column]) {
  const { size, flips } = planes[plane];
  return { x: (flips[1] ? size[1] - 1 - column : column) + 0.5, y: (flips[0] ? size[0] - 1 - row : row) + 0.5 };
}

// Clicks as plus and minus signs, lines, the box; and what is being drawn.
function drawClicks({ clicker, viewer }, pane) {
  const { value, state } = viewer;
  const stroke = (lines, width = 2) => strokeCased(pane.painter, lines, markColours(state).ruler, width);
  const onStage = (at) => pane.camera.toStage(at.x, at.y);
  const path = (places) => places.slice(1).map((place, i) => [places[i].x, places[i].y, place.x, place.y]);
  const { line, told } = clicker;
  if (line?.pane === pane && line.points.length > 1) {
    const places = line.points.map(onStage);
    stroke(line.isNegative || state.drawn === "line" ? path(places) : corners(places[0], places.at(-1)), 1.5);
  }
  if (!clicker.place || clicker.plane !== pane.plane || clicker.index !== pane.slice?.index) return;
  const place = (at) => onStage(inPicture(value, pane.plane, at));
  for (const [row, column, positive] of told.clicks) {
    const { x, y } = place([row, column]);
    stroke([[x - 6, y, x + 6, y], ...(positive ? [[x, y - 6, x, y + 6]] : [])]);
  }
  for (const { points } of told.scribbles) stroke(path(points.map(place)));
  if (told.box) stroke(corners(place(told.box.slice(0, 2)), place(told.box.slice(2).map((one) => one - 1))), 1.5);
}

function corners(one, other) {
  return [[one.x, one.y, other.x, one.y], [other.x, one.y, other.x, other.y], [other.x, other.y, one.x, other.y], [one.x, other.y, one.x, one.y]];
}

const CLICK_KEYS = {
  x: (viewer) => viewer.set({ meant: viewer.state.meant === "add" ? "remove" : "add" }),
  n: (viewer) => viewer.editor.clicker.finish(),
};

function useClickKey(viewer, key) {
  if (viewer.state.tool !== CLICK.name || !viewer.state.correcting || !CLICK_KEYS[key]) return false;
  CLICK_KEYS[key](viewer);
  viewer.redraw();
  return true;
}

// Beside the tool: what a press means, what a drag draws, the next object, the neighbouring slices.
function createClickPanel(viewer) {
  const meant = segmented("What a press means", MEANT, (choice) => viewer.set({ meant: choice }));
  const drawn = segmented("What a drag draws", DRAWN, (choice) => viewer.set({ drawn: choice }));
  const next = build("button", { type: "button", class: "mv-button", title: "The next press is on another object (N)", onclick: () => {
    viewer.editor.clicker.finish();
    viewer.redraw();
  } }, "Next object");
  const count = build("input", { type: "number", min: 1, max: MOST_FOLLOWED, step: 1, value: 10, "aria-label": "Slices to follow the object to" });
  const slices = () => Math.min(Math.max(Math.round(count.valueAsNumber) || 1, 1), MOST_FOLLOWED);
  const followers = [["Before", 1, 0], ["After", 0, 1], ["Both ways", 1, 1]].map(([words, before, after]) => build(
    "button", { type: "button", class: "mv-button", title: "Find the object of this slice in its neighbours, until it ends", onclick: () => viewer.editor.clicker.propagate(before * slices(), after * slices()) }, words,
  ));
  const follow = build("div", { class: "mv-row mv-click-follow" }, build("span", { class: "mv-label" }, "Follow by slices"), count, ...followers);
  const node = build(
    "div", { class: "mv-click", role: "group", "aria-label": "Click to segment" },
    build("div", { class: "mv-row" }, meant.node, drawn.node, next), follow,
  );
  const update = () => {
    const { state, value } = viewer;
    node.hidden = state.tool !== CLICK.name;
    if (node.hidden) return;
    meant.update(state.meant);
    drawn.update(state.drawn);
    follow.hidden = !value.is_volume;
    for (const button of followers) button.disabled = Boolean(viewer.editor.sync.wish);
  };
  return { node, update };
}
