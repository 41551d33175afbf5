// The list of classes: switch, colour, and for each prediction the size, and Dice where there is a reference: of the
// visible slice, and of a volume those of the whole beside them. A long list has one line a class, of the prediction in
// front, and a search.

const LONG_LIST = 8;

function hexOf(rgb) {
  return `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

function diceText(dice, isShort) {
  if (dice === null) return "";
  return `${isShort ? "" : "Dice "}${Number.isNaN(dice) ? "n/a" : dice.toFixed(isShort ? 2 : 4)}`;
}

// Size and Dice of a class in one prediction. `label` is said where there is more than one place to speak of.
function createFigures(label) {
  const name = build("span", { class: "mv-label" }, label);
  const share = build("span", { class: "mv-number" });
  const size = build("span", { class: "mv-number" });
  const dice = build("span", { class: "mv-number mv-dice" });
  const node = build("span", { class: "mv-figures" }, name, share, size, dice);
  const update = (percent, text, value, isShort) => {
    name.hidden = !label;
    setText(share, percent);
    setText(size, text);
    setText(dice, diceText(value, isShort));
    dice.title = "Dice";
    dice.hidden = value === null;
  };
  return { node, update };
}

function createPredictionFigures(viewer, i, prediction) {
  const { value } = viewer;
  const name = value.predictions.length > 1 ? build("span", { class: "mv-who" }) : null;
  if (name) setName(name, value.predictions[prediction].name);
  const slice = createFigures(value.is_volume ? "Slice" : "");
  const volume = createFigures("Volume");
  const node = build("div", { class: "mv-sizes" }, name, slice.node, value.is_volume ? volume.node : null);
  const update = (isShort) => {
    const view = viewer.slice.views[prediction];
    node.hidden = !view.labels;
    if (node.hidden) return;
    const count = viewer.counts(prediction)[i];
    const share = (100 * count.predicted) / view.labels.data.length;
    const percent = `${share ? share.toFixed(share < 1 ? 2 : 1) : 0} %`;
    slice.update(percent, sizeText(viewer.value, view.plane, count.predicted), count.dice, isShort);
    const whole = volumeCounts(viewer.value, viewer.state, prediction);
    volume.node.hidden = !whole;
    slice.node.hidden = isShort && Boolean(whole);
    if (whole) volume.update("", volumeText(viewer.value, whole[i].predicted), volumeDice(whole[i]), isShort);
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
  const word = build("span", {});
  setName(word, item.name);
  const name = build("label", { class: "mv-name" }, shown, word);
  const figures = viewer.value.predictions.map((_, prediction) => createPredictionFigures(viewer, i, prediction));
  const all = build("div", { class: "mv-all-sizes" }, ...figures.map((one) => one.node));
  const lock = createLock(viewer, i);
  const node = build("li", {}, name, lock.node, colour, all);
  const update = (predictions, isShort) => {
    lock.update();
    const current = viewer.state.classes[i];
    shown.checked = current.shown;
    colour.value = hexOf(current.colour);
    figures.forEach((one, prediction) => {
      if (predictions.includes(prediction)) one.update(isShort);
      else one.node.hidden = true;
    });
  };
  return { node, update, name: item.name.toLowerCase() };
}

// What a long list needs: a search, and all classes on or off (those found, while a word is searched for).
function createClassSearch(viewer, isFound) {
  const input = build("input", { type: "search", placeholder: "Find a class", "aria-label": "Find a class", oninput: () => viewer.redraw() });
  const switchAll = (shown) => () => viewer.set({
    classes: viewer.state.classes.map((item, i) => (isFound(i) ? { ...item, shown } : item)),
  });
  const button = (words, shown) => build("button", { type: "button", class: "mv-button", onclick: switchAll(shown) }, words);
  const node = build("div", { class: "mv-list-head" }, input, button("All", true), button("None", false));
  return { node, input };
}

function createClassList(viewer) {
  const list = build("ul", { class: "mv-classes", "aria-label": "Classes" });
  const search = createClassSearch(viewer, (i) => !rows[i].node.hidden);
  const node = build("div", { class: "mv-class-list" }, search.node, list);
  let rows = [];
  let [listed, written] = [null, ""];
  const rebuild = ({ value, state }) => {
    rows = state.classes.map((item, i) => createClassRow(viewer, item, i));
    list.replaceChildren(...rows.map((row) => row.node));
    list.dataset.wide = String(value.predictions.length > 1 || value.is_volume);
    list.dataset.long = String(rows.length > LONG_LIST);
    search.node.hidden = rows.length <= LONG_LIST;
    search.input.value = "";
    written = "";
  };
  const update = () => {
    const { value, state, slice, layers } = viewer;
    node.hidden = !slice?.views.some((view) => view.labels) || state.view === "model" || state.view === "image";
    if (node.hidden) return;
    if (listed !== value) rebuild(viewer);
    listed = value;
    const isLong = rows.length > LONG_LIST;
    const predictions = isLong ? [viewer.view.prediction] : viewer.seenPredictions;
    const word = search.input.value.trim().toLowerCase();
    // A hundred rows are not written anew for each step of a drag that changes none of them.
    const key = [predictions, word, ...predictions.map((i) => layers.labelsKey(value, state, slice.views[i])), state.correcting, ...state.classes.map(({ shown, colour, isLocked }) => [shown, colour, isLocked])].join();
    if (written === key) return;
    written = key;
    for (const row of rows) {
      row.node.hidden = !row.name.includes(word);
      row.update(predictions, isLong);
    }
  };
  return { node, update };
}
