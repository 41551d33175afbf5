// A Plotly figure: `props.value` is its JSON as text, of one theme or of both by name. A click on a point that names a
// case is passed on.

const stage = element.querySelector(".ev-plot");
const CLICK_PARTS = 4;

const theme = () => (document.body.classList.contains("dark") ? "dark" : "light");

function figure(text) {
  const given = JSON.parse(text);
  return given[theme()] || given;
}

// Plotly keeps what it drew beside the element; a figure that is gone must not be brought up to date by the next one.
function clear() {
  if (stage.data) window.Plotly.purge(stage);
  stage.replaceChildren();
  delete stage.dataset.listens;
}

async function show() {
  const text = props.value;
  if (!text) return clear();
  const Plotly = await loadPlotly();
  if (text !== props.value || !stage.clientWidth) return;
  const { data, layout } = figure(text);
  const narrow = stage.clientWidth < 520;
  if (narrow && layout.title) layout.title.font = { size: 13 };
  ownShapes = layout.shapes || [];
  await Plotly.react(stage, data, layout, { displayModeBar: false });
  mark(open);
  if (stage.dataset.listens) return;
  stage.dataset.listens = "yes";
  stage.on("plotly_click", ({ points }) => {
    const pick = points.map((point) => point.customdata).find((parts) => parts?.length === CLICK_PARTS && parts[2]);
    if (pick) trigger("pick", { pick: Array.from(pick) });
  });
}

// The case in the drawer stands out among the points of every checkpoint, and as a cell and row of a heat map.
let open = null;
let ownShapes = [];

function frames(key) {
  const cells = stage.data.find(({ type }) => type === "heatmap")?.customdata;
  const row = cells?.findIndex(([cell]) => cell[0] === key[0] && cell[2] === key[2]) ?? -1;
  if (row < 0) return [];
  const columns = Array.from(cells[row], (cell) => cell[1]);
  const colour = getComputedStyle(document.body).getPropertyValue("--ms-focus").trim();
  const frame = (x0, x1, width) => ({ type: "rect", x0, x1, y0: row - 0.5, y1: row + 0.5, line: { color: colour, width } });
  const column = columns.indexOf(key[1]);
  return [frame(-0.5, columns.length - 0.5, 1.5), ...(column < 0 ? [] : [frame(column - 0.5, column + 0.5, 4)])];
}

function mark(key) {
  open = key;
  if (!stage.data) return;
  const points = stage.data.map(({ type, customdata }) => {
    if (!open || !/^scatter/.test(type) || customdata?.[0]?.length !== CLICK_PARTS) return null;
    return Array.from(customdata.keys()).filter((i) => customdata[i][0] === open[0] && customdata[i][2] === open[2]);
  });
  const look = { selected: { marker: { size: 14, opacity: 1 } }, unselected: { marker: { opacity: 0.3 } } };
  window.Plotly.restyle(stage, { selectedpoints: points, ...look });
  window.Plotly.relayout(stage, { shapes: [...ownShapes, ...(open ? frames(open) : [])] });
}

document.addEventListener("medseg-case", ({ detail }) => mark(detail));

async function save(format) {
  if (!props.value) return;
  const Plotly = await loadPlotly();
  const { data, layout } = figure(props.value);
  const ground = getComputedStyle(document.body).getPropertyValue(theme() === "dark" ? "--block-background-fill" : "--unset");
  const { clientWidth: width, clientHeight: height } = stage;
  const whole = { data, layout: { ...layout, paper_bgcolor: ground.trim() || "#ffffff" } };
  const url = await Plotly.toImage(whole, { format, width, height, scale: format === "png" ? 2 : 1 });
  const link = document.createElement("a");
  link.href = url;
  link.download = `${element.dataset.name || "plot"}.${format}`;
  link.click();
}

for (const button of element.querySelectorAll("[data-format]")) {
  button.addEventListener("click", () => save(button.dataset.format));
}

let shown = theme();
new MutationObserver(() => {
  if (theme() === shown) return;
  shown = theme();
  trigger("theme", { theme: shown });
  show();
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });

// In a tab that is not shown the stage has no width yet; it is drawn when it gets one.
let width = 0;
new ResizeObserver(() => {
  if (!stage.clientWidth || stage.clientWidth === width) return;
  width = stage.clientWidth;
  show();
}).observe(stage);

watch("value", show);
show();
