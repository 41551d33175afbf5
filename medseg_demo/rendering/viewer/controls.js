// The controls below the stages. Each has a node and an `update()`.

const MODES = [
  ["fill", "Fill", "Coloured areas (O switches to outline)"],
  ["outline", "Outline", "Borders only (O switches to fill)"],
  ["errors", "Errors", "True positive, false positive and false negative against the reference (E)"],
  ["off", "Off", "No overlay (M)"],
];

const FLICKER_SECONDS = [0.4, 3];

function offeredModes(slice) {
  return slice?.reference ? ["fill", "outline", "errors", "off"] : ["fill", "outline", "off"];
}

// One slider for each plane that is shown, in the order of the planes.
function createSliceControl(viewer) {
  const rows = PLANES.map((_, place) => {
    const planeNow = () => orderedPlanes(viewer.value)[place];
    const step = (by) => () => viewer.goTo(sliceIndex(viewer.state, planeNow()) + by, planeNow());
    const control = slider("Slice", { min: 0, max: 0, step: 1 }, (index) => viewer.goTo(index, planeNow()));
    const colour = build("span", { class: "mv-plane-colour", "aria-hidden": "true" });
    const changed = createChangedMark(viewer);
    const node = build(
      "div", { class: "mv-slices" }, colour,
      iconButton("previous", "Previous slice (down)", step(-1)), control.node, iconButton("next", "Next slice (up)", step(1)), changed.node,
    );
    return { control, node, colour, changed };
  });
  const node = build("div", { class: "mv-slice-rows" }, ...rows.map((row) => row.node));
  const update = () => {
    const { value, state, visiblePlanes } = viewer;
    const planes = orderedPlanes(value);
    rows.forEach(({ control, node: row, colour, changed }, place) => {
      const plane = planes[place];
      const count = sliceCount(value, plane);
      changed.update(plane);
      row.hidden = count < 2 || !visiblePlanes.includes(plane);
      colour.hidden = visiblePlanes.length === 1;
      colour.style.background = markColours(state)[plane];
      control.input.max = String(count - 1);
      control.rename(visiblePlanes.length === 1 ? "Slice" : planeName(value, plane));
      control.update(sliceIndex(state, plane), `${sliceIndex(state, plane) + 1} / ${count}`);
    });
    node.hidden = rows.every((row) => row.node.hidden);
  };
  return { node, update };
}

function createDividerControl(viewer) {
  const control = slider("Divider", { min: 0, max: 1, step: 0.005 }, (divider) => viewer.set({ divider }));
  const node = build("div", { class: "mv-slices" }, control.node);
  const update = () => {
    const { state, value } = viewer;
    node.hidden = state.layout !== "swipe" || !value;
    control.update(state.divider, `${Math.round(100 * state.divider)} %`);
  };
  return { node, update };
}

// Never faster than flashes may be (three a second), and at rest where a person asked the system for less motion.
function createFlickerControl(viewer) {
  let timer = 0;
  let seconds = 1;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const swap = () => viewer.set({ front: 1 - viewer.state.front });
  const run = (wanted) => {
    clearInterval(timer);
    timer = wanted ? setInterval(() => node.isConnected && swap(), 1000 * seconds) : 0;
    viewer.redraw();
  };
  const play = iconButton("play", "Start or stop the timer (space)", () => run(!timer));
  const turn = build("button", { type: "button", class: "mv-button", title: "Show the other one (B)", onclick: swap }, "Other one");
  const speed = slider("Every", { min: FLICKER_SECONDS[0], max: FLICKER_SECONDS[1], step: 0.1 }, (value) => {
    seconds = value;
    run(timer);
  });
  const front = build("span", { class: "mv-front" });
  const node = build("div", { class: "mv-slices mv-flicker" }, play, turn, speed.node, front);
  let started = false;
  const update = () => {
    const { state, value } = viewer;
    node.hidden = state.layout !== "flicker" || !value;
    if (node.hidden && started) run(false);
    if (!node.hidden && !started && !still) run(true);
    started = !node.hidden;
    play.setAttribute("aria-pressed", String(Boolean(timer)));
    speed.update(seconds, `${formatNumber(seconds)} s`);
    if (!node.hidden) setName(front, value.predictions[state.pair[state.front]].name);
  };
  viewer.flicker = { swap, toggle: () => run(!timer) };
  return { node, update };
}

function createOverlayControl(viewer) {
  const modes = segmented("Overlay", MODES, (mode) => viewer.set({ mode }));
  const opacity = slider("Opacity", { min: 0, max: 1, step: 0.01 }, (share) => viewer.setOpacity(share));
  const select = build("select", {
    "aria-label": "Class of the probability map",
    onchange: () => viewer.set({ probabilityClass: select.selectedIndex }),
  });
  const chooser = build("label", { class: "mv-slider" }, build("span", { class: "mv-label" }, "Class"), select);
  const node = build("div", { class: "mv-row" }, modes.node, chooser, opacity.node);
  let listed = null;
  const update = () => {
    const { state, slice, value } = viewer;
    node.hidden = !["overlay", "probability"].includes(state.view) || !slice;
    const offered = state.layout === "agreement" ? ["fill", "off"] : offeredModes(slice);
    modes.update(state.layout === "agreement" && state.mode !== "off" ? "fill" : state.mode, state.view === "overlay" ? offered : []);
    if (listed !== value) select.replaceChildren(...(value?.classes || []).map((item) => build("option", {}, item.name)));
    listed = value;
    select.selectedIndex = state.probabilityClass;
    chooser.hidden = state.view !== "probability" || !slice?.views.some((view) => view.probabilities.length > 1);
    const share = viewer.opacity;
    opacity.node.hidden = state.view === "overlay" && state.mode === "off";
    opacity.update(share, `${Math.round(100 * share)} %`);
  };
  return { node, update };
}

// One slider for each prediction whose threshold can be changed, and a word on those that have none.
function createThresholdControl(viewer) {
  const head = build("span", { class: "mv-label" }, "Thresholds");
  const none = build("p", { class: "mv-no-threshold" });
  const node = build("div", { class: "mv-thresholds" });
  let rows = [];
  let listed = null;
  const update = () => {
    const { value, state } = viewer;
    const names = JSON.stringify(value?.predictions.map((one) => one.name));
    if (listed !== names) { // a result that a slider made leaves it the focus
      rows = (value?.predictions || []).map((_, i) => createThresholdRow(viewer, i));
      node.replaceChildren(head, ...rows.map((row) => row.node), none);
    }
    listed = names;
    const shown = state.view === "overlay" && state.mode !== "off";
    rows.forEach((row, i) => row.update(shown && viewer.seenPredictions.includes(i) && viewer.hasThreshold(i)));
    const why = shown ? whyNoThreshold(viewer) : "";
    setText(none, why);
    none.hidden = !why;
    head.hidden = rows.length < 2 || rows.every((row) => row.node.hidden);
    node.hidden = none.hidden && rows.every((row) => row.node.hidden);
  };
  return { node, update };
}

// Where several classes compete, no single threshold makes the mask; nothing is said where probabilities are not known.
function whyNoThreshold({ value, slice, seenPredictions }) {
  const competing = seenPredictions.filter((i) => slice?.views[i]?.probabilities.length > 1);
  if (!competing.length) return "";
  const whose = value.predictions.length > 1 ? ` for ${competing.map((i) => value.predictions[i].name).join(", ")}` : "";
  const how = value.is_volume ? "each voxel takes its most probable class." : "each pixel takes its most probable class.";
  return `No threshold${whose}: ${how}`;
}

function createThresholdRow(viewer, i) {
  const { predictions } = viewer.value;
  const control = slider("Threshold", { min: 0, max: 1, step: 0.005 }, (threshold) => viewer.setThreshold(i, threshold));
  const reset = iconButton("reset", "Back to the threshold of the result (T)", () => viewer.resetThreshold(i));
  const node = build("div", { class: "mv-row mv-threshold" }, control.node, reset);
  if (predictions.length > 1) control.nameAfter(predictions[i].name);
  const update = (shown) => {
    node.hidden = !shown;
    if (!shown) return;
    const threshold = viewer.state.thresholds[i];
    control.update(threshold, threshold.toFixed(3).replace(/0$/, ""));
    reset.disabled = !isLive(viewer.value, viewer.state, i);
  };
  return { node, update };
}

function createWindowControl(viewer) {
  const change = (centre, width) => viewer.set({ window: [centre - width / 2, centre + width / 2] });
  const level = slider("Level", {}, (centre) => change(centre, viewer.windowWidth));
  const width = slider("Width", {}, (size) => change(viewer.windowLevel, size));
  const select = build("select", { "aria-label": "Window preset", onchange: () => choose(select.selectedIndex - 1) });
  const choose = (i) => i >= 0 && viewer.set({ window: [viewer.channel.presets[i].low, viewer.channel.presets[i].high] });
  const chooser = build("label", { class: "mv-slider" }, build("span", { class: "mv-label" }, "Window"), select);
  const node = build("div", { class: "mv-row mv-window" }, chooser, level.node, width.node);
  let listed = null;
  const update = () => {
    const { state } = viewer;
    node.hidden = !canWindow(viewer) || state.view === "model";
    if (node.hidden) return;
    const { presets, intensity } = viewer.channel;
    if (listed !== viewer.channel) {
      const names = ["Custom", ...presets.map((preset) => preset.name)];
      select.replaceChildren(...names.map((name) => build("option", {}, name)));
      const [low, high] = intensity.range;
      const step = intensity.scale;
      Object.assign(level.input, { min: low, max: high, step });
      Object.assign(width.input, { min: step, max: high - low, step });
    }
    listed = viewer.channel;
    const [low, high] = state.window;
    select.selectedIndex = 1 + presets.findIndex((preset) => preset.low === low && preset.high === high);
    level.update(viewer.windowLevel, formatNumber(viewer.windowLevel));
    width.update(viewer.windowWidth, formatNumber(viewer.windowWidth));
  };
  return { node, update };
}
