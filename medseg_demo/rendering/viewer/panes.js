// Panes: stages side by side, each with one plane and what it shows of the predictions. Panes of one plane share its
// camera and layers, so zoom, pan and slice are linked and the image is painted once.

const LAYOUTS = [
  ["side", "Side by side", "Each prediction in a pane of its own, linked (L)"],
  ["swipe", "Swipe", "Two predictions in one pane with a divider (L)"],
  ["flicker", "Flicker", "Two predictions by turns in one pane (L)"],
  ["agreement", "Agreement", "How many predictions agree at each pixel (L)"],
];

// What a pane shows: `prediction` is the one in front.
function contentsOf(viewer) {
  const { value, state } = viewer;
  const single = (index) => ({ kind: "prediction", name: `prediction ${index}`, prediction: () => index });
  if (!value || value.predictions.length < 2) return [single(0)];
  if (state.layout === "side") return value.predictions.map((_, i) => single(i));
  if (state.layout === "agreement") {
    return [{ kind: "agreement", name: "agreement", prediction: () => 0 }];
  }
  if (state.layout === "swipe") return [{ kind: "swipe", name: "swipe", prediction: ({ pair }) => pair[0] }];
  return [{ kind: "flicker", name: "flicker", prediction: ({ pair, front }) => pair[front] }];
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
    return `${isHere ? missing : `Slice ${number}`} is not in this page`;
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
      if (visiblePlanes.length > 1) drawCrosshair(painter, value, state, plane);
      const { region } = state;
      const across = axisAcross(plane);
      const passes = region && slice.index >= region.box[across] && slice.index < region.box[across + 3];
      if (passes) painter.drawRegion(boxIn(value, plane, region.box));
      drawRulers(painter, value, state, slice);
    }
    this.stage.update();
  }

  remove() {
    this.observer.disconnect();
    this.stage.node.remove();
  }
}
