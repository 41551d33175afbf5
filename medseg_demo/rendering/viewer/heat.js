// The heat map over the image: what a network looked at, or where it is unsure. Beside every class's colour, so that it
// can lie over outlines: Inferno (Smith and van der Walt, CC0) in 10 stops, clear where the figure is low.

const INFERNO_STOPS = ["000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"].map(rgbOf);
const HEAT_STEPS = 255; // of what travels, at the greatest figure of the whole image or volume

function heatTable() {
  return Uint32Array.from({ length: HEAT_STEPS + 1 }, (_, i) => packColour(colourAt(INFERNO_STOPS, i / HEAT_STEPS), Math.min(255, 2 * i)));
}

// Whether a pane's prediction has a heat map, and whether it is to be seen in this view.
function showsHeat({ heat, view }, slice) {
  return Boolean(heat && slice?.heat && ["overlay", "image"].includes(view));
}

function heatAt(value, view, i) {
  const { heat } = value.predictions[view.prediction];
  return view.heat ? `${spoken("heat map")} ${((heat.highest * view.heat.data[i]) / HEAT_STEPS).toFixed(3)}` : null;
}

function toggleHeat(viewer) {
  if (viewer.value?.predictions.some(({ heat }) => heat)) viewer.set({ heat: !viewer.state.heat });
}

function createHeatControl(viewer) {
  const choice = segmented("Heat map", [[true, "Heat map", "Show the heat map (H)"], [false, "Without", "Hide the heat map (H)"]], (heat) => viewer.set({ heat }));
  const opacity = slider("Heat", { min: 0, max: 1, step: 0.01 }, (share) => viewer.set({ opacity: { ...viewer.state.opacity, heat: share } }));
  const node = build("div", { class: "mv-row" }, choice.node, opacity.node);
  const update = () => {
    const { state, slice } = viewer;
    node.hidden = !slice?.views.some((view) => view.heat) || !["overlay", "image"].includes(state.view);
    choice.update(state.heat);
    opacity.node.hidden = !state.heat;
    opacity.update(state.opacity.heat, `${Math.round(100 * state.opacity.heat)} %`);
  };
  return { node, update };
}

// What the colours of a pane mean: of the heat map, or in the probability view of the probability.
function legendOf(viewer, { view }) {
  const { state, value } = viewer;
  if (showsHeat(state, view)) {
    const { name, highest } = value.predictions[view.prediction].heat;
    return { name: spoken(name), stops: INFERNO_STOPS, highest };
  }
  if (state.view !== "probability" || !view?.probabilities.length) return null;
  const single = view.probabilities.length === 1 && value.predictions[view.prediction].threshold_label;
  const name = value.classes[single ? single - 1 : probabilityIndex(state, view)]?.name || "";
  return { name, stops: HEAT_STOPS, highest: 1 };
}

function createHeatLegend(viewer, pane) {
  const bar = build("canvas", { width: 120, height: 1, "aria-hidden": "true" });
  const context = bar.getContext("2d");
  const [name, end] = [build("span", {}), build("span", {})];
  const node = build("div", { class: "mv-heat" }, name, build("span", {}, "0"), bar, end);
  let painted = null;
  const update = () => {
    const legend = legendOf(viewer, pane);
    node.hidden = !legend;
    if (!legend) return;
    for (let x = 0; x < 120 && painted !== legend.stops; x += 1) {
      context.fillStyle = `rgb(${colourAt(legend.stops, x / 119).join()})`;
      context.fillRect(x, 0, 1, 1);
    }
    painted = legend.stops;
    name.textContent = legend.name;
    end.textContent = formatNumber(legend.highest, 2);
  };
  return { node, update };
}
