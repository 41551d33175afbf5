// Keys, which work while the viewer has the focus, and the card that lists them.

const KEY_CARD = [
  ["Arrows", "Slices of a volume; else pan"],
  ["Page ↑ ↓, Home, End", "Ten slices, first, last"],
  ["Shift + arrows", "Pan"],
  ["V", "Next plane, or all three"],
  ["X", "Crosshair by dragging"],
  ["+  −", "Zoom"],
  ["F", "Fit"],
  ["Shift F", "Full screen"],
  ["[  ]", "Overlay opacity"],
  ["O", "Outline or fill"],
  ["M", "Mask on or off"],
  ["H", "Heat map on or off"],
  ["E", "Errors against the reference"],
  ["C", "Next view"],
  [",  .", "Threshold down, up"],
  ["T", "Threshold of the result"],
  ["1 … 9", "Class on or off"],
  ["<  >", "Previous, next channel; the colour blend"],
  ["W  R", "Window tool, ruler"],
  ["G, Delete", "Crop box; away with it"],
  ["Enter, Delete", "Ruler by keys: start and end by the arrows; away with it"],
  ["L", "Next layout"],
  ["{  }", "Divider to the left, right"],
  ["B, space", "Flicker: the other one, timer"],
  ["N  P", "Next, previous disagreement"],
  ["J  K", "Next, previous case"],
  ["D", "Correct the label map: its tools, whose keys follow"],
  ["B  E  P  L  U", "Brush, eraser, polygon, lasso, fill"],
  ["K", "Click: a network finds the object; X beside it, N next object"],
  ["1 … 9, 0; Q", "Class to paint, background; protect it"],
  [",  .", "Smaller, larger brush"],
  ["A", "Paint on the intensities of the window only"],
  ["S", "Fill between slices"],
  ["Ctrl Z, Ctrl Shift Z", "Undo, redo"],
  ["Enter, arrows, space", "Cursor and press; it moves; pen down or up"],
  ["Esc", "Back to panning"],
  ["?", "This card"],
];

const TOUCH_CARD = "With fingers: pinch to zoom, two to pan; one pans, or across a volume that fits turns its slices; while correcting, one paints.";

function nextOf(list, current) {
  return list[(list.indexOf(current) + 1) % list.length];
}

function nextPlane(viewer) {
  const { state, value } = viewer;
  if (value.is_volume) viewer.showPlanes(nextOf([...orderedPlanes(value), "three"], state.threePlanes ? "three" : state.plane));
}

function nextLayout(viewer) {
  if (viewer.value.predictions.length > 1) viewer.set({ layout: nextOf(LAYOUTS.map(([layout]) => layout), viewer.state.layout) });
}

function moveDivider(viewer, by) {
  viewer.set({ divider: Math.min(Math.max(viewer.state.divider + by, 0), 1) });
}

// The threshold of the prediction in front.
function moveThreshold(viewer, by) {
  const { prediction } = viewer.view;
  viewer.setThreshold(prediction, viewer.state.thresholds[prediction] + by);
}

const turn = (viewer, by) => viewer.goTo(sliceIndex(viewer.state, viewer.state.plane) + by);
const zoomBy = (factor) => (viewer) => viewer.moveCamera((camera) => camera.zoom(factor));
const fit = (viewer) => viewer.moveCamera((camera) => camera.fit());

const WITHOUT_SHIFT = {
  "+": zoomBy(1.25),
  "=": zoomBy(1.25),
  "-": zoomBy(0.8),
  0: fit,
  f: fit,
  "[": (viewer) => viewer.setOpacity(viewer.opacity - 0.1),
  "]": (viewer) => viewer.setOpacity(viewer.opacity + 0.1),
  "{": (viewer) => moveDivider(viewer, -0.05),
  "}": (viewer) => moveDivider(viewer, 0.05),
  o: (viewer) => viewer.set({ view: "overlay", mode: viewer.state.mode === "outline" ? "fill" : "outline" }),
  m: (viewer) => viewer.toggleMask(),
  h: toggleHeat,
  e: (viewer) => viewer.slice?.reference && viewer.set({ view: "overlay", mode: "errors" }),
  c: (viewer) => viewer.set({ view: nextOf(offeredViews(viewer.slice), viewer.state.view) }),
  v: nextPlane,
  l: nextLayout,
  x: (viewer) => viewer.visiblePlanes.length > 1 && viewer.toggleTool("point"),
  b: (viewer) => viewer.state.layout === "flicker" && viewer.flicker.swap(),
  " ": (viewer) => viewer.state.layout === "flicker" && viewer.flicker.toggle(),
  ",": (viewer) => moveThreshold(viewer, -0.01),
  ".": (viewer) => moveThreshold(viewer, 0.01),
  t: (viewer) => viewer.seenPredictions.forEach((i) => viewer.resetThreshold(i)),
  "<": (viewer) => stepChannel(viewer, -1),
  ">": (viewer) => stepChannel(viewer, 1),
  w: (viewer) => canWindow(viewer) && viewer.toggleTool("window"),
  g: (viewer) => offersTool(viewer, "crop") && viewer.toggleTool("crop"),
  r: (viewer) => offersTool(viewer, "ruler") && viewer.toggleTool("ruler"),
  n: (viewer) => viewer.nextRegion(1),
  p: (viewer) => viewer.nextRegion(-1),
  j: (viewer) => viewer.host.emit("navigate", { step: 1 }),
  k: (viewer) => viewer.host.emit("navigate", { step: -1 }),
  "?": (viewer) => viewer.help.toggle(),
  Home: (viewer) => viewer.goTo(0),
  End: (viewer) => viewer.goTo(Infinity),
  PageUp: (viewer) => turn(viewer, 10),
  PageDown: (viewer) => turn(viewer, -10),
};

const ARROWS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [1, 0], ArrowRight: [-1, 0] };

function useArrow(viewer, key, shift) {
  const [dx, dy] = ARROWS[key];
  if (shift || sliceCount(viewer.value, viewer.state.plane) === 1) viewer.moveCamera((camera) => camera.move(48 * dx, 48 * dy));
  else turn(viewer, dy - dx);
}

function useKey(viewer, event) {
  const { key } = event;
  if (key === "Escape") return viewer.escape();
  if (!viewer.slice) return false;
  if (useEditKey(viewer, event) || useCropKey(viewer, event) || useRulerKey(viewer, event)) return true;
  if (key in ARROWS) useArrow(viewer, key, event.shiftKey);
  else if (event.shiftKey && key.toLowerCase() === "f") viewer.toggleFullScreen();
  else if (/^[1-9]$/.test(key) && viewer.state.classes[key - 1]) viewer.setClass(key - 1, { shown: !viewer.state.classes[key - 1].shown });
  else {
    const action = WITHOUT_SHIFT[key] || WITHOUT_SHIFT[key.toLowerCase()];
    if (!action) return false;
    action(viewer);
  }
  return true;
}

function attachKeys(viewer, root) {
  root.addEventListener("keydown", (event) => {
    if (event.target.closest("dialog")) return;
    const elsewhere = event.target.closest("input, select") && event.key !== "Escape";
    if (event.key === " " && event.target.closest("button")) return;
    const undoes = (event.ctrlKey || event.metaKey) && !event.altKey && useUndoKey(viewer, event);
    if (undoes) event.preventDefault();
    if (event.ctrlKey || event.metaKey || event.altKey || elsewhere) return;
    if (!useKey(viewer, event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// A modal dialog: the browser keeps the focus in it, closes it by Esc, and gives the focus back.
function createHelp() {
  const rows = KEY_CARD.flatMap(([keys, meaning]) => [build("dt", {}, keys), build("dd", {}, meaning)]);
  const toggle = () => (node.open ? node.close() : node.showModal());
  const node = build(
    "dialog",
    { class: "mv-help", "aria-label": "Keys", onclick: (event) => event.target === node && node.close() },
    build("div", { class: "mv-help-head" }, build("strong", {}, "Keys"), iconButton("close", "Close (Esc)", toggle)),
    build("p", {}, "They work while the picture or one of its buttons has the focus."),
    build("dl", {}, ...rows),
    build("p", { class: "mv-help-touch" }, TOUCH_CARD),
  );
  return { node, toggle };
}
