// The bar above the stages: views, planes, tools, zoom; and the second one of layouts, where predictions are compared.

const VIEWS = [
  ["overlay", "Overlay", "The image with the segmentation over it"],
  ["probability", "Probability", "How sure the network is of a class, pixel by pixel"],
  ["model", "Model input", "What the network saw: after resizing, windowing and padding"],
  ["image", "Image", "The image alone"],
];

const TOOLS = [
  ["pan", "Pan by dragging"],
  ["point", "Crosshair: a click or drag moves the other planes (X)"],
  ["window", "Window and level by dragging (W, or drag with the right button)"],
  ["crop", "Crop box: drag on a plane, then its handles (G)"],
  ["ruler", "Measure distances by dragging; drag an end to move it (R)"],
];

// The views that this slice can show.
function offeredViews(slice) {
  const some = (test) => slice?.views.some(test);
  const views = ["image"];
  if (some((view) => view.labels)) views.unshift("overlay");
  if (some((view) => view.probabilities.length)) views.splice(-1, 0, "probability");
  if (slice?.model) views.splice(-1, 0, "model");
  return views;
}

function canWindow(viewer) {
  return viewer.slice?.image.channels === 1 && !viewer.state.blended;
}

function offersTool(viewer, tool) {
  if (tool === "window") return canWindow(viewer);
  if (tool === "point") return viewer.visiblePlanes.length > 1;
  if (tool === "crop" && !viewer.value?.can_crop) return false;
  return !["ruler", "crop"].includes(tool) || viewer.state.view !== "model";
}

function createToolbar(viewer) {
  const correct = createCorrectButton(viewer);
  const views = segmented("View", VIEWS, (view) => viewer.set({ view }));
  const planes = createPlaneChoice(viewer);
  const tools = TOOLS.map(([tool, label]) => [tool, iconButton(tool, label, () => viewer.set({ tool }))]);
  const percent = build("span", { class: "mv-number mv-zoom", title: "Screen pixels for each image pixel" });
  const node = build(
    "div",
    { class: "mv-bar" },
    views.node,
    planes.node,
    correct.node,
    build("span", { class: "mv-space" }),
    build("div", { class: "mv-group", role: "group", "aria-label": "Dragging" }, ...tools.map(([, button]) => button)),
    build(
      "div",
      { class: "mv-group", role: "group", "aria-label": "Zoom" },
      iconButton("zoomOut", "Zoom out (−)", () => viewer.moveCamera((camera) => camera.zoom(1 / 1.4))),
      percent,
      iconButton("zoomIn", "Zoom in (+)", () => viewer.moveCamera((camera) => camera.zoom(1.4))),
      iconButton("fit", "Fit to the stage (F)", () => viewer.moveCamera((camera) => camera.fit())),
    ),
    build(
      "div",
      { class: "mv-group" },
      iconButton("fullScreen", "Full screen (Shift F)", () => viewer.toggleFullScreen()),
      iconButton("keys", "Keys (?)", () => viewer.help.toggle()),
    ),
  );
  const update = () => {
    const { state, value } = viewer;
    views.update(state.view, offeredViews(viewer.slice));
    planes.update();
    correct.update();
    for (const [tool, button] of tools) {
      button.setAttribute("aria-pressed", String(tool === state.tool));
      button.hidden = !offersTool(viewer, tool);
    }
    percent.hidden = !viewer.slice;
    setText(percent, `${Math.round((100 * viewer.camera.scale) / (value?.planes[state.plane].reduction || 1))} %`);
  };
  return { node, update };
}

// Axial, coronal, sagittal, or all three; named after what they cut in the patient.
function createPlaneChoice(viewer) {
  const choices = [
    ...PLANES.map((plane, place) => [place, plane, "This plane alone (V goes to the next)"]),
    ["three", "All three", "Three planes with a crosshair (V)"],
  ];
  const buttons = segmented("Plane", choices, (choice) => {
    viewer.showPlanes(choice === "three" ? choice : orderedPlanes(viewer.value)[choice]);
  });
  const update = () => {
    const { value, state } = viewer;
    buttons.node.hidden = !value?.is_volume;
    if (buttons.node.hidden) return;
    const planes = orderedPlanes(value);
    buttons.update(state.threePlanes ? "three" : planes.indexOf(state.plane));
    planes.forEach((plane, place) => buttons.rename(place, planeName(value, plane)));
  };
  return { node: buttons.node, update };
}

function createChip(viewer, name, i) {
  const chip = build("button", { type: "button", class: "mv-chip", onclick: () => choosePrediction(viewer, i) });
  setName(chip, name);
  return chip;
}

// How several predictions are shown, and which two of them where it is about two.
function createLayoutBar(viewer) {
  const layouts = segmented("Layout", LAYOUTS, (layout) => viewer.set({ layout }));
  const pick = (place) => (event) => {
    const pair = [...viewer.state.pair];
    const chosen = event.target.selectedIndex;
    if (pair[1 - place] === chosen) pair[1 - place] = pair[place];
    pair[place] = chosen;
    viewer.set({ pair });
  };
  const selects = ["First", "Second"].map((name, place) => build("select", { "aria-label": `${name} prediction`, onchange: pick(place) }));
  const pair = build("div", { class: "mv-pair" }, selects[0], build("span", {}, "and"), selects[1]);
  const chips = build("div", { class: "mv-chips", role: "group", "aria-label": "Predictions shown" });
  const node = build("div", { class: "mv-bar mv-layouts" }, layouts.node, pair, chips);
  let listed = null;
  const update = () => {
    const { value, state } = viewer;
    const names = value?.predictions.map((one) => one.name) || [];
    node.hidden = names.length < 2;
    if (node.hidden) return;
    layouts.update(state.layout);
    pair.hidden = names.length < 3 || !["swipe", "flicker"].includes(state.layout);
    if (listed !== value) {
      for (const select of selects) select.replaceChildren(...names.map(nameOption));
      chips.replaceChildren(...names.map((name, i) => createChip(viewer, name, i)));
    }
    listed = value;
    chips.hidden = names.length < 3 || state.layout !== "side";
    const chosen = chosenPredictions(viewer);
    [...chips.children].forEach((chip, i) => chip.setAttribute("aria-pressed", String(chosen.includes(i))));
    selects.forEach((select, place) => {
      select.selectedIndex = state.pair[place];
    });
  };
  return { node, update };
}
