// Panes: stages side by side, each with one plane and what it shows of the predictions. Panes of one plane share its
// camera and layers, so zoom, pan and slice are linked and the image is painted once.

const LAYOUTS = [
  ["side", "Side by side", "Each prediction in a pane of its own, linked (L)"],
  ["swipe", "Swipe", "Two predictions in one pane with a divider (L)"],
  ["flicker", "Flicker", "Two predictions by turns in one pane (L)"],
  ["agreement", "Agreement", "How many predictions agree at each pixel (L)"],
];

const MOST_ACROSS_PLANES = 3;

// The predictions that stand side by side, in the order in which they were chosen; across three planes the last of them.
function chosenPredictions({ state, visiblePlanes }) {
  return visiblePlanes.length > 1 ? state.chosen.slice(-MOST_ACROSS_PLANES) : state.chosen;
}

// All of them; the first ones count as chosen last, so that they are those that stay where there is less room.
function choiceOfAll(value) {
  return value.predictions.map((_, i) => i).reverse();
}

function choosePrediction(viewer, index) {
  const before = chosenPredictions(viewer);
  const chosen = before.includes(index) ? before.filter((one) => one !== index) : [...before, index];
  if (chosen.length) viewer.set({ chosen });
}

// What a pane shows: `prediction` is the one in front.
function contentsOf(viewer) {
  const { value, state } = viewer;
  const single = (index) => ({ kind: "prediction", name: `prediction ${index}`, prediction: () => index });
  if (!value || value.predictions.length < 2) return [single(0)];
  if (state.layout === "side") return [...chosenPredictions(viewer)].sort((a, b) => a - b).map(single);
  if (state.layout === "agreement") {
    return [{ kind: "agreement", name: "agreement", prediction: () => 0 }];
  }
  if (state.layout === "swipe") return [{ kind: "swipe", name: "swipe", prediction: ({ pair }) => pair[0] }];
  return [{ kind: "flicker", name: "flicker", prediction: ({ pair, front }) => pair[front] }];
}

// [width, height] of a plane's picture, in millimetres where the spacing is known.
function pictureSize(value, plane) {
  const { size: [height, width], spacing_mm: spacing } = value.planes[plane];
  const [down, right] = spacing || [1, 1];
  return [width * right, height * down];
}

// The grids that so many predictions may lie in; panes come plane by plane. Of several planes each has a row or a column
// of its own, as large as its picture, but not less than half of the largest.
function possibleGrids(sizes, count) {
  const equal = (length) => Array(length).fill(1);
  if (sizes.length === 1) {
    return equal(count).map((_, i) => ({ columns: equal(i + 1), rows: equal(Math.ceil(count / (i + 1))), flow: "row" }));
  }
  const shares = (lengths) => lengths.map((length) => Math.max(length / Math.max(...lengths), 0.5));
  return [
    { columns: equal(count), rows: shares(sizes.map(([, height]) => height)), flow: "row" },
    { columns: shares(sizes.map(([width]) => width)), rows: equal(count), flow: "column" },
  ];
}

// How much of the stage the pictures cover.
function coveredArea({ columns, rows, flow }, sizes, count, stage) {
  const [across, down] = [[columns, stage.width], [rows, stage.height]].map(([shares, length]) => {
    const sum = shares.reduce((total, share) => total + share);
    return shares.map((share) => (share / sum) * length);
  });
  let area = 0;
  for (let i = 0; i < sizes.length * count; i += 1) {
    const [row, column] = flow === "row" ? [Math.floor(i / columns.length), i % columns.length] : [i % rows.length, Math.floor(i / rows.length)];
    const [width, height] = sizes[Math.floor(i / count)];
    area += Math.min(across[column] / width, down[row] / height) ** 2 * width * height;
  }
  return area;
}

// The grid whose pictures are largest; of equals the one of fewest columns.
function bestGrid(sizes, count, stage) {
  const grids = possibleGrids(sizes, count).map((grid) => ({ ...grid, area: coveredArea(grid, sizes, count, stage) }));
  return grids.reduce((best, grid) => (grid.area > best.area * 1.001 ? grid : best));
}

// Lay the panes out for the stage as it is now. One prediction in three planes has its own arrangement (see stage.css).
function layOutPanes({ value, stages, panes, visiblePlanes, stageSize }) {
  const count = panes.length / visiblePlanes.length;
  const inPlanes = visiblePlanes.length > 1 && count === 1;
  stages.dataset.arrangement = inPlanes ? "planes" : "grid";
  stages.dataset.many = String(!inPlanes && count > 2);
  stages.dataset.tall = String(visiblePlanes.length > 1 && count > 1);
  const tracks = (shares) => shares.map((share) => `minmax(0, ${share.toFixed(3)}fr)`).join(" ");
  const grid = value && !inPlanes ? bestGrid(visiblePlanes.map((plane) => pictureSize(value, plane)), count, stageSize) : null;
  Object.assign(stages.style, {
    gridTemplateColumns: grid ? tracks(grid.columns) : "", gridTemplateRows: grid ? tracks(grid.rows) : "", gridAutoFlow: grid ? grid.flow : "",
  });
}

class Pane {
  constructor(viewer, plane, content) {
    this.viewer = viewer;
    this.plane = plane;
    this.content = content;
    this.stage = createStage(viewer, this);
    const { camera, layers } = viewer.planes[plane];
    this.painter = new Painter(this.stage.canvas, layers, camera);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage.node);
    attachPointer(viewer, this);
  }

  get camera() {
    return this.painter.camera;
  }

  // The slice that lies on the stage; the wanted one may still be on its way.
  get slice() {
    return this.viewer.planes[this.plane].slice;
  }

  // That slice with the prediction in front.
  get view() {
    return this.slice?.views[this.content.prediction(this.viewer.state)] || null;
  }

  // The predictions that are to be seen, or with a pointer the one below it.
  predictions(position) {
    const { state, value } = this.viewer;
    if (this.content.kind === "agreement") return countedPredictions(value);
    if (this.content.kind !== "swipe") return [this.content.prediction(state)];
    if (!position) return state.pair;
    const share = this.camera.toStage(position.x, position.y).x / this.camera.stage.width;
    return [state.pair[share < state.divider ? 0 : 1]];
  }

  get names() {
    const { value } = this.viewer;
    return this.predictions().map((i) => value.predictions[i].name);
  }

  get message() {
    const { value, state, host } = this.viewer;
    if (!value) return "No image yet";
    const number = sliceIndex(state, this.plane) + 1;
    const isHere = this.slice?.index === number - 1;
    const missing = isHere ? missingChannels(this.viewer, this.slice) : `slice ${number}`;
    if (!missing) return "";
    if (host.offersSlices) return `Loading ${missing} …`;
    return isHere ? `${missing} is not in this page` : `Slice ${number} is not in this page`;
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage.node;
    if (!clientWidth || !clientHeight) return;
    this.painter.resize(clientWidth, clientHeight);
    this.draw();
    this.viewer.redraw();
  }

  draw() {
    const { value, state, visiblePlanes } = this.viewer;
    const { painter, slice, plane } = this;
    painter.draw(value, state, slice, this.content);
    if (slice && state.view !== "model") {
      if (state.crop) drawCrop(painter, value, state, slice);
      if (visiblePlanes.length > 1) drawCrosshair(painter, value, state, plane);
      const { region } = state;
      const across = axisAcross(plane);
      const passes = region && slice.index >= region.box[across] && slice.index < region.box[across + 3];
      if (passes) painter.drawRegion(boxIn(value, plane, region.box));
      drawRulers(painter, value, state, slice);
      drawEditing(this.viewer, this);
    }
    this.stage.update();
  }

  remove() {
    this.observer.disconnect();
    this.stage.node.remove();
  }
}
