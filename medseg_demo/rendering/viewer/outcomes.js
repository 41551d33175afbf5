// True and false positives and negatives: what they are called and how they look. The numbers are those of live.js.

const OUTCOMES = [
  { name: "True positive", colour: [0, 158, 115], pattern: "plain" },
  { name: "False positive", colour: [213, 94, 0], pattern: "stripes" },
  { name: "False negative", colour: [86, 180, 233], pattern: "dots" },
  { name: "Other class", colour: [240, 228, 66], pattern: "checks" },
];

const OUTCOME_TILES = patternTiles(OUTCOMES);
const OTHER_CLASS = 4;

// Which pattern means which outcome, with the size of each for one or two predictions; of more for the one in front.
function createOutcomeLegend(viewer) {
  const legend = patternLegend(OUTCOMES, OUTCOME_TILES, "Legend");
  const whose = build("span", { class: "mv-label" });
  const node = build("div", { class: "mv-outcome-legend" }, whose, legend.node);
  const update = () => {
    const { value, state, slice } = viewer;
    const shown = state.view === "overlay" && state.mode === "errors" && slice?.reference && state.layout !== "agreement";
    node.hidden = !shown;
    if (!shown) return;
    const seen = viewer.seenPredictions;
    whose.hidden = seen.length < 3;
    setName(whose, value.predictions[viewer.view.prediction].name);
    const views = (whose.hidden ? seen : [viewer.view.prediction]).map((i) => slice.views[i]).filter((view) => view.labels);
    legend.update(value, slice.plane, views.map((view) => outcomeCounts(viewer, view)));
    legend.rows[OTHER_CLASS - 1].row.hidden = value.classes.length < 2;
  };
  return { node, update };
}

function outcomeCounts({ value, state, layers }, view) {
  return layers.once(`outcome counts ${view.prediction}`, layers.outcomesKey(value, state, view), () =>
    countCategories(layers.outcomes(value, state, view)),
  );
}
