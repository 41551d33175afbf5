// The list of classes: switch, colour, and for each prediction the size, and Dice where there is a reference: of the
// visible slice, and of a volume those of the whole beside them.

function hexOf(rgb) {
  return `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

function diceText(dice) {
  return dice === null ? "" : `Dice ${Number.isNaN(dice) ? "n/a" : dice.toFixed(4)}`;
}

// Size and Dice of a class in one prediction. `where` is said where there is more than one place to speak of.
function createFigures(label) {
  const name = build("span", { class: "mv-label" }, label);
  const size = build("span", { class: "mv-number" });
  const dice = build("span", { class: "mv-number mv-dice" });
  const node = build("span", { class: "mv-figures" }, name, size, dice);
  const update = (text, value) => {
    name.hidden = !label;
    size.textContent = text;
    dice.textContent = diceText(value);
    dice.hidden = value === null;
  };
  return { node, update };
}

function createPredictionFigures(viewer, i, prediction) {
  const { value } = viewer;
  const name = value.predictions.length > 1 ? build("span", { class: "mv-who" }, value.predictions[prediction].name) : null;
  const slice = createFigures(value.is_volume ? "Slice" : "");
  const volume = createFigures("Volume");
  const node = build("div", { class: "mv-sizes" }, name, slice.node, value.is_volume ? volume.node : null);
  const update = () => {
    const view = viewer.slice.views[prediction];
    node.hidden = !view.labels;
    if (node.hidden) return;
    const count = viewer.counts(prediction)[i];
    const share = (100 * count.predicted) / view.labels.data.length;
    const percent = `${share ? share.toFixed(share < 1 ? 2 : 1) : 0} %`;
    slice.update(`${percent}  ·  ${sizeText(viewer.value, view.plane, count.predicted)}`, count.dice);
    const whole = volumeCounts(viewer.value, viewer.state, prediction);
    volume.node.hidden = !whole;
    if (whole) volume.update(volumeText(viewer.value, whole[i].predicted), volumeDice(whole[i]));
  };
  return { node, update };
}

function createClassRow(viewer, item, i) {
  const shown = build("input", { type: "checkbox", onchange: () => viewer.setClass(i, { shown: shown.checked }) });
  const colour = build("input", {
    type: "color",
    "aria-label": `Colour of ${item.name}`,
    oninput: () => viewer.setClass(i, { colour: rgbOf(colour.value) }),
  });
  const name = build("label", { class: "mv-name" }, shown, build("span", {}, item.name));
  const figures = viewer.value.predictions.map((_, prediction) => createPredictionFigures(viewer, i, prediction));
  const all = build("div", { class: "mv-all-sizes" }, ...figures.map((one) => one.node));
  const node = build("li", {}, name, colour, all);
  const update = () => {
    const current = viewer.state.classes[i];
    shown.checked = current.shown;
    colour.value = hexOf(current.colour);
    const seen = viewer.seenPredictions;
    figures.forEach((one, prediction) => {
      if (seen.includes(prediction)) one.update();
      else one.node.hidden = true;
    });
  };
  return { node, update };
}

function createClassList(viewer) {
  const node = build("ul", { class: "mv-classes", "aria-label": "Classes" });
  let rows = [];
  let listed = null;
  const update = () => {
    const { value, state, slice } = viewer;
    node.hidden = !slice?.views.some((view) => view.labels) || state.view === "model" || state.view === "image";
    if (node.hidden) return;
    if (listed !== value) {
      rows = state.classes.map((item, i) => createClassRow(viewer, item, i));
      node.replaceChildren(...rows.map((row) => row.node));
      node.dataset.wide = String(value.predictions.length > 1 || value.is_volume);
    }
    listed = value;
    for (const row of rows) row.update();
  };
  return { node, update };
}
