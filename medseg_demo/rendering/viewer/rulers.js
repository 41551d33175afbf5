// Rulers: each lies in one slice of one plane, and stays there until it is deleted or another image is opened. Its ends
// are positions in the picture of that plane.

function rulerText(value, { plane, from, to }) {
  const [sy, sx] = pixelSize(value, plane);
  return `${Math.hypot((to.x - from.x) * sx, (to.y - from.y) * sy).toFixed(1)} ${value.spacing_mm ? "mm" : "px"}`;
}

function rulersOn(state, slice) {
  return state.rulers.filter(({ plane, index }) => plane === slice.plane && index === slice.index);
}

// A new one, which is the chosen one from now on.
function addRuler(viewer, plane, from, to = from) {
  const { rulers } = viewer.state;
  const number = 1 + Math.max(0, ...rulers.map((one) => one.number));
  viewer.set({ rulers: [...rulers, { number, plane, index: sliceIndex(viewer.state, plane), from, to }], ruler: number });
  return number;
}

function changeRuler(viewer, number, changes) {
  viewer.set({ rulers: viewer.state.rulers.map((one) => (one.number === number ? { ...one, ...changes } : one)), ruler: number });
}

function deleteRuler(viewer, number) {
  const rulers = viewer.state.rulers.filter((one) => one.number !== number);
  viewer.set({ rulers, ruler: rulers.at(-1)?.number ?? null, measuring: null });
}

function goToRuler(viewer, { number, plane, index }) {
  const pane = viewer.panes.find((one) => one.plane === plane);
  if (pane) viewer.activate(pane);
  Object.assign(viewer.state, { ruler: number, plane, view: viewer.state.view === "model" ? "image" : viewer.state.view });
  viewer.goTo(index, plane);
}

// The end of a ruler that lies within reach of a place on the stage: {number, end}.
function rulerEndAt({ state }, pane, at, reach) {
  for (const ruler of rulersOn(state, pane.slice).reverse()) {
    for (const end of ["to", "from"]) {
      const place = pane.camera.toStage(ruler[end].x, ruler[end].y);
      if (Math.hypot(place.x - at.x, place.y - at.y) <= reach) return { number: ruler.number, end };
    }
  }
  return null;
}

// Enter puts a ruler down in the middle, its start and then its end go by the arrows; Enter fixes each of them.
function useRulerKey(viewer, { key, shiftKey, target }) {
  const { state, slice, camera, activePane } = viewer;
  const chosen = rulersOn(state, slice).find(({ number }) => number === state.ruler);
  const inSight = chosen || (state.ruler !== null && target.closest(".mv-rulers"));
  if (["Delete", "Backspace"].includes(key) && inSight) deleteRuler(viewer, state.ruler);
  else if (state.tool !== "ruler" || !target.closest(".mv-stage")) return false;
  else if (key === "Enter" && state.measuring === null) {
    addRuler(viewer, activePane.plane, camera.toPicture(camera.stage.width / 2, camera.stage.height / 2));
    viewer.set({ measuring: "from" });
  } else if (key === "Enter") viewer.set({ measuring: state.measuring === "from" ? "to" : null });
  else if (key in ARROWS && state.measuring && chosen) {
    const [dx, dy] = ARROWS[key].map((step) => -step * (shiftKey ? 10 : 1));
    const moved = { x: chosen.to.x + dx, y: chosen.to.y + dy };
    changeRuler(viewer, chosen.number, state.measuring === "from" ? { from: moved, to: moved } : { to: moved });
  } else return false;
  return true;
}

function drawRulers(painter, value, state, slice) {
  for (const ruler of rulersOn(state, slice)) drawRuler(painter, ruler, markColours(state).ruler, ruler.number === state.ruler);
  for (const ruler of rulersOn(state, slice)) {
    const words = [state.rulers.length > 1 ? `${ruler.number}:` : "", rulerText(value, ruler)].filter(Boolean).join(" ");
    drawLabel(painter, painter.camera.toStage(ruler.to.x, ruler.to.y), words, markColours(state).ruler);
  }
}

// A line with a bar across each end.
function drawRuler(painter, { from, to }, colour, isChosen) {
  const [start, end] = [from, to].map(({ x, y }) => painter.camera.toStage(x, y));
  const length = Math.hypot(end.x - start.x, end.y - start.y) || 1;
  const [dx, dy] = [(6 * (end.y - start.y || 1)) / length, (-6 * (end.x - start.x)) / length];
  const bars = [start, end].map(({ x, y }) => [x - dx, y - dy, x + dx, y + dy]);
  strokeCased(painter, [[start.x, start.y, end.x, end.y], ...bars], colour, isChosen ? 2.5 : 1.5);
}

// Beside a place, and on the stage where that lies at its edge.
function drawLabel({ context, camera, ratio }, { x, y }, words, colour) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = "600 12px system-ui, sans-serif";
  const width = context.measureText(words).width + 12;
  const left = Math.min(Math.max(x + 10, 2), camera.stage.width - width - 2);
  const top = Math.min(Math.max(y + 10, 2), camera.stage.height - 22);
  context.fillStyle = "rgba(0, 0, 0, 0.75)";
  context.fillRect(left, top, width, 20);
  context.fillStyle = colour;
  context.textBaseline = "middle";
  context.fillText(words, left + 6, top + 10.5);
}

// All rulers of the image: a press goes to the slice, a cross deletes.
function createRulerList(viewer) {
  const said = build("span", { class: "mv-label", "aria-live": "polite" });
  const clear = build("button", { type: "button", class: "mv-button", onclick: () => viewer.set({ rulers: [], ruler: null, measuring: null }) }, "Delete all");
  const list = build("ul", { "aria-label": "Rulers" });
  const node = build("div", { class: "mv-rulers" }, build("div", { class: "mv-list-head" }, said, clear), list);
  let listed = null;
  const update = () => {
    const { value, state, slice } = viewer;
    node.hidden = !slice || (state.tool !== "ruler" && !state.rulers.length);
    if (node.hidden) return;
    const words = describeMeasuring(viewer);
    setText(said, words);
    clear.hidden = state.rulers.length < 2;
    const key = [value.key, state.ruler, ...state.rulers.map((one) => `${one.number} ${rulerText(value, one)}`)].join();
    if (listed === key) return;
    listed = key;
    const focused = list.contains(document.activeElement);
    list.replaceChildren(...state.rulers.map((ruler) => createRulerRow(viewer, ruler)));
    if (focused) (list.querySelector("[aria-pressed=true]") || viewer.activePane.stage.node).focus({ preventScroll: true });
  };
  return { node, update };
}

function describeMeasuring({ value, state }) {
  const chosen = state.rulers.find(({ number }) => number === state.ruler);
  if (state.measuring && chosen && state.tool === "ruler") {
    const end = state.measuring === "from" ? "Start" : `End, ${rulerText(value, chosen)}`;
    return `${end}: arrows move it, Enter fixes it`;
  }
  return state.rulers.length ? "Rulers" : "Drag on the picture to measure, or press Enter on it";
}

function createRulerRow(viewer, ruler) {
  const { value, state } = viewer;
  const where = value.is_volume ? ` · ${planeName(value, ruler.plane)} ${ruler.index + 1}` : "";
  const words = `${ruler.number}: ${rulerText(value, ruler)}${where}`;
  const go = build("button", {
    type: "button", class: "mv-go", "aria-pressed": String(ruler.number === state.ruler), onclick: () => goToRuler(viewer, ruler),
  }, words);
  return build("li", {}, go, iconButton("close", `Delete ruler ${words}`, () => deleteRuler(viewer, ruler.number)));
}
