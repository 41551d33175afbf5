// The black stage: canvas, title, orientation letters, scale bar, messages; and the sentences below it.

function createStage(viewer) {
  const canvas = build("canvas", { role: "img" });
  const title = build("div", { class: "mv-title" });
  const letters = ["left", "right", "top", "bottom"].map((side) => [side, build("span", { class: `mv-letter mv-${side}` })]);
  const bar = build("div", { class: "mv-scale" });
  const measured = build("div", { class: "mv-measured" });
  const message = build("div", { class: "mv-message" });
  const legend = createHeatLegend(viewer);
  const node = build(
    "div",
    { class: "mv-stage", tabindex: "0", role: "application", "aria-roledescription": "image viewer" },
    canvas, title, ...letters.map(([, letter]) => letter), bar, measured, legend.node, message,
  );

  const updateScale = () => {
    bar.hidden = !viewer.slice;
    if (bar.hidden) return;
    const { width, text } = scaleBar(viewer.shownGeometry, viewer.camera);
    bar.textContent = text;
    bar.style.width = `${width}px`;
  };
  const updateRuler = () => {
    const { ruler } = viewer.state;
    measured.hidden = !ruler || !viewer.slice;
    if (measured.hidden) return;
    const end = viewer.camera.toStage(ruler.to.x, ruler.to.y);
    measured.textContent = distanceText(viewer.value, viewer.state, viewer.slice, ruler);
    measured.style.transform = `translate(${Math.round(end.x + 10)}px, ${Math.round(end.y + 10)}px)`;
  };
  const update = () => {
    const { value, state } = viewer;
    node.dataset.tool = state.tool;
    node.dataset.fitted = String(viewer.camera.fitted);
    node.setAttribute("aria-label", value ? `${value.title || "Image"}. Press question mark for the keys.` : "No image");
    canvas.setAttribute("aria-label", value?.alternative_text || "No image");
    title.textContent = value?.title || "";
    for (const [side, letter] of letters) letter.textContent = state.view === "model" ? "" : value?.orientation?.[side] || "";
    message.textContent = viewer.message;
    message.hidden = !viewer.message;
    legend.update();
    updateScale();
    updateRuler();
  };
  return { node, canvas, update };
}

function createReadout(viewer) {
  const node = build("div", { class: "mv-readout mv-number", "aria-hidden": "true" });
  const update = () => {
    const { value, state, slice, layers, pointer } = viewer;
    const parts = slice && pointer ? describePoint(value, state, slice, layers, pointer) : [];
    const hint = slice ? "Point at the image to read its values" : "";
    node.replaceChildren(...(parts.length ? parts.map(([name, text]) => build("span", { title: name }, text)) : [hint]));
  };
  return { node, update };
}

// What a person must know to read the picture rightly.
function createNotes(viewer) {
  const node = build("p", { class: "mv-notes", role: "status" });
  const update = () => {
    const text = viewer.slice ? describeResult(viewer).join(" ") : "";
    if (node.textContent !== text) node.textContent = text;
  };
  return { node, update };
}

function describeResult(viewer) {
  const { value, state, slice } = viewer;
  const notes = [];
  if (state.view === "overlay" && slice.labels) {
    const live = isLive(value, state);
    if (viewer.counts().every((count) => count.predicted === 0)) notes.push(nothingFound(viewer));
    if (live) {
      notes.push(`Threshold ${formatNumber(state.threshold)} in place of ${formatNumber(value.threshold)}.`);
      if (value.postprocessing) notes.push(`Not yet applied here: ${value.postprocessing}. Segment again to see its effect.`);
    }
  }
  if (value.slice_count > 1 && state.view !== "image" && slice.labels) notes.push("Shares, sizes and Dice are those of this slice.");
  if (value.reduction > 1) {
    const [height, width] = value.original_size;
    notes.push(`Shown at 1/${value.reduction} of its ${width} × ${height} pixels; sizes here are estimates.`);
  }
  return notes;
}

function nothingFound({ value, state, slice }) {
  const where = value.slice_count > 1 ? " in this slice" : "";
  if (!slice.probabilities.length || state.threshold === null) return `Nothing was found${where}.`;
  const highest = highestProbability(slice, value.probability_levels);
  return `No pixel${where} above ${formatNumber(state.threshold)}; the highest probability is ${highest.toFixed(3)}.`;
}
