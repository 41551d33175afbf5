// The toolbar above the stage and the panel below it. Each part has a node and an `update(viewer)`.

const VIEWS = [
  ["overlay", "Overlay", "The image with the segmentation over it"],
  ["probability", "Probability", "How sure the network is of a class, pixel by pixel"],
  ["model", "Model input", "What the network saw: after resizing, windowing and padding"],
  ["image", "Image", "The image alone"],
];

const MODES = [
  ["fill", "Fill", "Coloured areas (O switches to outline)"],
  ["outline", "Outline", "Borders only (O switches to fill)"],
  ["errors", "Errors", "True positive, false positive and false negative against the reference (E)"],
  ["off", "Off", "No overlay (M)"],
];

const TOOLS = [
  ["pan", "Pan by dragging"],
  ["window", "Window and level by dragging (W, or drag with the right button)"],
  ["ruler", "Measure a distance by dragging (R)"],
];

// The views that this slice can show.
function offeredViews(slice) {
  const views = ["image"];
  if (slice?.labels) views.unshift("overlay");
  if (slice?.probabilities.length) views.splice(-1, 0, "probability");
  if (slice?.model) views.splice(-1, 0, "model");
  return views;
}

function offeredModes(slice) {
  return slice?.reference ? ["fill", "outline", "errors", "off"] : ["fill", "outline", "off"];
}

function canWindow(viewer) {
  return viewer.slice?.image.channels === 1;
}

function createToolbar(viewer) {
  const views = segmented("View", VIEWS, (view) => viewer.set({ view }));
  const tools = TOOLS.map(([tool, label]) => [tool, iconButton(tool, label, () => viewer.set({ tool }))]);
  const percent = build("span", { class: "mv-number mv-zoom", title: "Screen pixels for each image pixel" });
  const node = build(
    "div",
    { class: "mv-bar" },
    views.node,
    build("span", { class: "mv-space" }),
    build("div", { class: "mv-group", role: "group", "aria-label": "Dragging" }, ...tools.map(([, button]) => button)),
    build(
      "div",
      { class: "mv-group", role: "group", "aria-label": "Zoom" },
      iconButton("zoomOut", "Zoom out (−)", () => viewer.zoom(1 / 1.4)),
      percent,
      iconButton("zoomIn", "Zoom in (+)", () => viewer.zoom(1.4)),
      iconButton("fit", "Fit to the stage (F)", () => viewer.fit()),
    ),
    build(
      "div",
      { class: "mv-group" },
      iconButton("fullScreen", "Full screen (Shift F)", () => viewer.toggleFullScreen()),
      iconButton("keys", "Keys (?)", () => viewer.help.toggle()),
    ),
  );
  const update = () => {
    views.update(viewer.state.view, offeredViews(viewer.slice));
    for (const [tool, button] of tools) {
      button.setAttribute("aria-pressed", String(tool === viewer.state.tool));
      button.hidden = tool === "window" && !canWindow(viewer);
    }
    percent.textContent = `${Math.round(100 * viewer.camera.scale / (viewer.value?.reduction || 1))} %`;
  };
  return { node, update };
}

function createSliceControl(viewer) {
  const control = slider("Slice", { min: 0, max: 0, step: 1 }, (index) => viewer.goTo(index));
  const node = build(
    "div",
    { class: "mv-slices" },
    iconButton("previous", "Previous slice (down)", () => viewer.goTo(viewer.state.slice - 1)),
    control.node,
    iconButton("next", "Next slice (up)", () => viewer.goTo(viewer.state.slice + 1)),
  );
  const update = () => {
    const count = viewer.value?.slice_count || 1;
    node.hidden = count < 2;
    control.input.max = String(count - 1);
    control.update(viewer.state.slice, `${viewer.state.slice + 1} / ${count}`);
  };
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
    modes.update(state.mode, state.view === "overlay" ? offeredModes(slice) : []);
    if (listed !== value) select.replaceChildren(...(value?.classes || []).map((item) => build("option", {}, item.name)));
    listed = value;
    select.selectedIndex = state.probabilityClass;
    chooser.hidden = state.view !== "probability" || (slice?.probabilities.length || 0) < 2;
    const share = viewer.opacity;
    opacity.node.hidden = state.view === "overlay" && state.mode === "off";
    opacity.update(share, `${Math.round(100 * share)} %`);
  };
  return { node, update };
}

function createThresholdControl(viewer) {
  const control = slider("Threshold", { min: 0, max: 1, step: 0.005 }, (threshold) => viewer.set({ threshold }));
  const reset = iconButton("reset", "Back to the threshold of the result (T)", () => viewer.resetThreshold());
  const node = build("div", { class: "mv-row mv-threshold" }, control.node, reset);
  const update = () => {
    const { value, state } = viewer;
    node.hidden = !viewer.hasThreshold || state.view !== "overlay" || state.mode === "off";
    if (!viewer.hasThreshold) return;
    control.update(state.threshold, state.threshold.toFixed(3).replace(/0$/, ""));
    reset.disabled = !isLive(value, state);
  };
  return { node, update };
}

function createWindowControl(viewer) {
  const change = (centre, width) => viewer.setWindow([centre - width / 2, centre + width / 2]);
  const level = slider("Level", {}, (centre) => change(centre, viewer.windowWidth));
  const width = slider("Width", {}, (size) => change(viewer.windowLevel, size));
  const select = build("select", { "aria-label": "Window preset", onchange: () => choose(select.selectedIndex - 1) });
  const choose = (i) => i >= 0 && viewer.setWindow([viewer.value.presets[i].low, viewer.value.presets[i].high]);
  const chooser = build("label", { class: "mv-slider" }, build("span", { class: "mv-label" }, "Window"), select);
  const node = build("div", { class: "mv-row mv-window" }, chooser, level.node, width.node);
  let listed = null;
  const update = () => {
    const { value, state } = viewer;
    node.hidden = !canWindow(viewer) || state.view === "model";
    if (node.hidden) return;
    if (listed !== value) {
      const names = ["Custom", ...value.presets.map((preset) => preset.name)];
      select.replaceChildren(...names.map((name) => build("option", {}, name)));
      const [low, high] = value.intensity.range;
      const step = value.intensity.scale;
      Object.assign(level.input, { min: low, max: high, step });
      Object.assign(width.input, { min: step, max: high - low, step });
    }
    listed = value;
    const [low, high] = state.window;
    select.selectedIndex = 1 + value.presets.findIndex((preset) => preset.low === low && preset.high === high);
    level.update(viewer.windowLevel, formatNumber(viewer.windowLevel));
    width.update(viewer.windowWidth, formatNumber(viewer.windowWidth));
  };
  return { node, update };
}
