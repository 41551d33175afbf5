// Surfaces of the classes, to be turned by dragging: `props.value` is {meshes, axes, note}, or null.

const frame = element.querySelector(".ms-surface-frame");
const stage = element.querySelector(".ms-surface");
const note = element.querySelector("[data-note]");
const said = globalThis.medsegSay || ((text) => text);
const NO_WEBGL =
  "This browser has no WebGL, so the surface cannot be shown here. Its download as STL or GLB opens in any 3-D program.";

function hasWebGL() {
  try {
    const context = document.createElement("canvas").getContext("webgl");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return Boolean(context);
  } catch {
    return false;
  }
}

function numbers(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

const every = (values, start) => values.filter((_, place) => place % 3 === start);

function mesh({ name, colour, vertices, faces }) {
  const [points, corners] = [numbers(vertices, Float32Array), numbers(faces, Int32Array)];
  const [x, y, z] = [0, 1, 2].map((axis) => every(points, axis));
  const [i, j, k] = [0, 1, 2].map((corner) => every(corners, corner));
  const light = {
    lighting: { ambient: 0.55, diffuse: 0.6, specular: 0.1, roughness: 0.8 },
    lightposition: { x: 40000, y: -100000, z: 80000 }, // before and above the patient
  };
  return { type: "mesh3d", x, y, z, i, j, k, name, color: colour, hoverinfo: "name", showlegend: true, ...light };
}

const themed = (name, otherwise) => getComputedStyle(document.body).getPropertyValue(name).trim() || otherwise;

function layout(axes) {
  const ink = themed("--body-text-color", "#222");
  const gridcolor = themed("--border-color-primary", "#ccc");
  const line = { color: ink, gridcolor, zeroline: false, showbackground: false };
  const [xaxis, yaxis, zaxis] = axes.map((title) => ({ ...line, title: { text: title } }));
  const camera = { eye: { x: 1.3, y: -2.1, z: 0.8 }, center: { x: 0, y: 0, z: -0.12 }, up: { x: 0, y: 0, z: 1 } };
  return {
    scene: { xaxis, yaxis, zaxis, camera, aspectmode: "data" },
    margin: { l: 0, r: 0, t: 0, b: 0 },
    paper_bgcolor: "rgba(0, 0, 0, 0)",
    font: { color: ink, family: "system-ui, sans-serif", size: 12 },
    legend: { x: 0, y: 1, bgcolor: "rgba(0, 0, 0, 0)" },
    uirevision: "camera",
  };
}

let drawn = null;

async function show() {
  const value = props.value;
  const visible = Boolean(value?.meshes?.length) && hasWebGL();
  frame.hidden = !visible;
  note.textContent = value?.meshes ? (visible || !value.meshes.length ? value.note : said(NO_WEBGL)) : "";
  if (!visible) {
    if (drawn) window.Plotly.purge(stage);
    drawn = null;
    return;
  }
  const Plotly = await loadPlotly();
  if (value !== props.value || !stage.clientWidth) return;
  await Plotly.react(stage, value.meshes.map(mesh), layout(value.axes), { displayModeBar: false, responsive: true });
  drawn = value;
}

for (const button of element.querySelectorAll("[data-eye]")) {
  button.addEventListener("click", () => {
    const [x, y, z] = button.dataset.eye.split(",").map(Number);
    if (drawn) window.Plotly.relayout(stage, { "scene.camera.eye": { x, y, z } });
  });
}

new MutationObserver(() => {
  if (drawn) window.Plotly.relayout(stage, layout(drawn.axes));
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });

// In a tab or a panel that is not shown the stage has no width yet.
let width = 0;
new ResizeObserver(() => {
  if (!stage.clientWidth || stage.clientWidth === width) return;
  width = stage.clientWidth;
  if (props.value !== drawn) show();
}).observe(stage);

watch("value", show);
show();
