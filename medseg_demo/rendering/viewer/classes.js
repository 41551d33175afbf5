// The list of classes: switch, colour, size, and Dice where there is a reference; and the legends on the stage.

function hexOf(rgb) {
  return `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

function createClassRow(viewer, item, i) {
  const shown = build("input", {
    type: "checkbox",
    onchange: () => viewer.setClass(i, { shown: shown.checked }),
  });
  const colour = build("input", {
    type: "color",
    "aria-label": `Colour of ${item.name}`,
    oninput: () => viewer.setClass(i, { colour: rgbOf(colour.value) }),
  });
  const size = build("span", { class: "mv-number" });
  const dice = build("span", { class: "mv-number mv-dice" });
  const name = build("label", { class: "mv-name" }, shown, build("span", {}, item.name));
  const node = build("li", {}, name, colour, build("span", { class: "mv-sizes" }, size, dice));
  const update = (count, pixels) => {
    const current = viewer.state.classes[i];
    shown.checked = current.shown;
    colour.value = hexOf(current.colour);
    const share = (100 * count.predicted) / pixels;
    size.textContent = `${share ? share.toFixed(share < 1 ? 2 : 1) : 0} %  ·  ${sizeText(viewer.value, count.predicted)}`;
    dice.textContent = count.dice === null ? "" : `Dice ${Number.isNaN(count.dice) ? "n/a" : count.dice.toFixed(4)}`;
    dice.hidden = count.dice === null;
  };
  return { node, update };
}

function createClassList(viewer) {
  const node = build("ul", { class: "mv-classes", "aria-label": "Classes" });
  let rows = [];
  let listed = null;
  const update = () => {
    const { value, state, slice, layers } = viewer;
    node.hidden = !slice?.labels || state.view === "model" || state.view === "image";
    if (node.hidden) return;
    if (listed !== value) {
      rows = state.classes.map((item, i) => createClassRow(viewer, item, i));
      node.replaceChildren(...rows.map((row) => row.node));
    }
    listed = value;
    const counts = viewer.counts();
    rows.forEach((row, i) => row.update(counts[i], layers.labels(value, state, slice).length));
  };
  return { node, update };
}

// Which pattern means which outcome, with the number of pixels of each.
function createOutcomeLegend(viewer) {
  const node = build("ul", { class: "mv-outcomes", "aria-label": "Legend" });
  const rows = OUTCOMES.map(({ outcome, name }) => {
    const size = build("span", { class: "mv-number" });
    const row = build("li", {}, outcomeSwatch(outcome), build("span", {}, name), size);
    node.append(row);
    return { outcome, size, row };
  });
  const update = () => {
    const { value, state, slice, layers } = viewer;
    node.hidden = state.view !== "overlay" || state.mode !== "errors" || !slice?.reference;
    if (node.hidden) return;
    const found = layers.outcomes(value, state, slice);
    const counts = layers.once("outcome counts", layers.outcomesKey(value, state, slice), () => {
      const sums = new Float64Array(5);
      for (const outcome of found) sums[outcome] += 1;
      return sums;
    });
    for (const { outcome, size, row } of rows) {
      size.textContent = sizeText(value, counts[outcome]);
      row.hidden = outcome === 4 && value.classes.length < 2;
    }
  };
  return { node, update };
}

function createHeatLegend(viewer) {
  const bar = build("canvas", { width: 120, height: 1, "aria-hidden": "true" });
  const context = bar.getContext("2d");
  for (let x = 0; x < 120; x += 1) {
    context.fillStyle = `rgb(${heatColour(x / 119).join()})`;
    context.fillRect(x, 0, 1, 1);
  }
  const name = build("span", {});
  const node = build("div", { class: "mv-heat" }, name, build("span", {}, "0"), bar, build("span", {}, "1"));
  const update = () => {
    const { state, value } = viewer;
    node.hidden = state.view !== "probability";
    name.textContent = value?.classes[state.probabilityClass]?.name || "";
  };
  return { node, update };
}
