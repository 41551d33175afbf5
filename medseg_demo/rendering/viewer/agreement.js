// How many predictions agree at each pixel, and how that looks: each share has a colour and a pattern.

const PARTIAL = [
  { colour: [213, 94, 0], pattern: "stripes" },
  { colour: [230, 159, 0], pattern: "dots" },
  { colour: [240, 228, 66], pattern: "lines" },
  { colour: [86, 180, 233], pattern: "bars" },
  { colour: [0, 114, 178], pattern: "crosses" },
];

const AGREED = { colour: [0, 158, 115], pattern: "plain" };
const CONFLICT = { name: "Different classes", colour: [204, 121, 167], pattern: "checks" };

// A consensus of the others is no further voice.
function countedPredictions(value) {
  return [...value.predictions.keys()].filter((i) => value.predictions[i].counted);
}

function agreementNames(value) {
  return countedPredictions(value).map((i) => value.predictions[i].name);
}

function agreementTiles(value) {
  return patternTiles(agreementCategories(agreementNames(value)));
}

// Of two predictions it matters which one stands alone; of more, how many stand together.
function agreementCategories(names) {
  if (names.length === 2) {
    return [
      { name: `Only ${names[0]}`, colour: [213, 94, 0], pattern: "stripes" },
      { name: `Only ${names[1]}`, colour: [86, 180, 233], pattern: "dots" },
      { name: "Both", ...AGREED },
      CONFLICT,
    ];
  }
  const partial = Array.from({ length: names.length - 1 }, (_, i) => ({
    name: `${i + 1} of ${names.length}`, ...PARTIAL[i % PARTIAL.length],
  }));
  return [...partial, { name: `All ${names.length}`, ...AGREED }, CONFLICT];
}

// The categories of two predictions: 0 where both have background.
function agreementOfTwo([first, second]) {
  const result = new Uint8Array(first.length);
  for (let i = 0; i < result.length; i += 1) {
    const a = first[i];
    const b = second[i];
    if (a === b) result[i] = a ? 3 : 0;
    else result[i] = a && b ? 4 : a ? 1 : 2;
  }
  return result;
}

// The category at each pixel, 0 where every prediction has background.
function agreement(maps) {
  if (maps.length === 2) return agreementOfTwo(maps);
  const result = new Uint8Array(maps[0].length);
  const conflict = maps.length + 1;
  for (let i = 0; i < result.length; i += 1) {
    let label = 0;
    let votes = 0;
    for (let k = 0; k < maps.length; k += 1) {
      const own = maps[k][i];
      if (!own) continue;
      if (label && own !== label) votes = 256;
      label = own;
      votes += 1;
    }
    result[i] = votes >= 256 ? conflict : votes;
  }
  return result;
}

function createAgreementLegend(viewer) {
  const node = build("div", { class: "mv-agreement" });
  let legend = null;
  let listed = null;
  const update = () => {
    const { value, state, layers } = viewer;
    const slice = viewer.slice;
    const shown = state.layout === "agreement" && state.view === "overlay" && slice;
    node.hidden = !shown;
    if (!shown) return;
    if (listed !== value) {
      legend = patternLegend(agreementCategories(agreementNames(value)), agreementTiles(value), "Agreement");
      node.replaceChildren(legend.node);
    }
    listed = value;
    const found = layers.agreement(value, state, slice);
    const counts = layers.once("agreement counts", layers.agreementKey(value, state, slice), () => countCategories(found));
    legend.update(value, slice.plane, [counts]);
    legend.rows.at(-1).row.hidden = value.classes.length < 2;
  };
  return { node, update };
}
