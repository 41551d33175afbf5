// The sentences below the stage: the values under the pointer, what a person must know to read the picture rightly, and
// which region of disagreement is shown.

function createReadout(viewer) {
  const node = build("div", { class: "mv-readout mv-number", "aria-hidden": "true" });
  const update = () => {
    const { pointer } = viewer;
    const slice = pointer?.pane.slice;
    const parts = slice ? describePoint(viewer, slice, pointer.position, pointer.pane.predictions(pointer.position)) : [];
    const hint = viewer.slice ? spoken("Point at the image to read its values") : "";
    node.replaceChildren(...(parts.length ? parts.map(([name, text]) => build("span", { title: name }, text)) : [hint]));
  };
  return { node, update };
}

function createNotes(viewer) {
  const node = build("p", { class: "mv-notes", role: "status" });
  const update = () => {
    const text = viewer.slice ? describeResult(viewer).map(spoken).join(" ") : "";
    setText(node, text);
  };
  return { node, update };
}

function describeResult(viewer) {
  const { value, state, slice } = viewer;
  const notes = [];
  if (state.view === "overlay") for (const i of viewer.seenPredictions) notes.push(...describePrediction(viewer, i));
  const { reduction, size: [height, width] } = value.planes[slice.plane];
  if (reduction > 1) notes.push(`Shown at 1/${reduction} of its ${width} × ${height} pixels; sizes here are estimates.`);
  return notes;
}

function describePrediction(viewer, i) {
  const { value, state } = viewer;
  const view = viewer.slice.views[i];
  if (!view?.labels) return [];
  const notes = [];
  const { name, threshold, postprocessing } = value.predictions[i];
  const whose = value.predictions.length > 1 ? `${name}: ` : "";
  if (viewer.counts(i).every((count) => count.predicted === 0)) notes.push(whose + nothingFound(viewer, view));
  if (isLive(value, state, i)) {
    notes.push(`${whose}Threshold ${formatNumber(state.thresholds[i])} in place of ${formatNumber(threshold)}.`);
    if (postprocessing) notes.push(`Not yet applied here: ${postprocessing}. Segment again to see its effect.`);
  }
  return notes;
}

function nothingFound({ value, state }, view) {
  const where = value.is_volume ? " in this slice" : "";
  const threshold = state.thresholds[view.prediction];
  if (!view.probabilities.length || threshold === null) return `Nothing was found${where}.`;
  const highest = highestProbability(view, value.probability_levels);
  return `No pixel${where} above ${formatNumber(threshold)}; the highest probability is ${highest.toFixed(3)}.`;
}

// Which region is shown, with buttons to the next and to the one before; a new sentence is announced.
function createRegionControl(viewer) {
  const text = build("span", { class: "mv-region-text", "aria-live": "polite" });
  const node = build(
    "div",
    { class: "mv-regions" },
    iconButton("previous", "Previous disagreement (P)", () => viewer.nextRegion(-1)),
    iconButton("next", "Next disagreement (N)", () => viewer.nextRegion(1)),
    text,
  );
  // Those that came with the value were found before anything was moved.
  const since = ({ value, state }) => {
    const moved = value.regions.length && value.predictions.some((_, i) => isLive(value, state, i));
    return moved ? " (at the thresholds of the result)" : "";
  };
  const hint = ({ regions, is_volume: isVolume }) => {
    if (regions.length === 1) return "1 region differs; N goes to it";
    if (regions.length) return `${regions.length} regions differ; N goes to the largest`;
    return `N goes to the largest error${isVolume ? " in this slice" : ""}`;
  };
  const update = () => {
    const { value, slice, state } = viewer;
    node.hidden = !slice || !(value.regions.length || (slice.reference && slice.views[0].labels));
    if (node.hidden) return;
    const words = (state.region ? state.region.text : hint(value)) + since(viewer);
    setText(text, words);
  };
  return { node, update };
}
