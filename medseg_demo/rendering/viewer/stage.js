// The black stage of a pane: canvas, title, orientation letters, scale bar, messages, the divider of a swipe.

function createStage(viewer, pane) {
  const canvas = build("canvas", { role: "img", "aria-label": "No image" });
  const title = build("div", { class: "mv-title" });
  const other = build("div", { class: "mv-title mv-title-right" });
  const letters = ["left", "right", "top", "bottom"].map((side) => [side, build("span", { class: `mv-letter mv-${side}` })]);
  const bar = build("div", { class: "mv-scale" });
  const message = build("div", { class: "mv-message" });
  const cursor = build("div", { class: "mv-cursor" });
  const divider = build("div", { class: "mv-divider" });
  const legend = createHeatLegend(viewer, pane);
  const node = build(
    "div",
    { class: "mv-stage", tabindex: "0", role: "application", "aria-roledescription": "image viewer", onfocus: () => viewer.activate(pane) },
    canvas, divider, title, other, ...letters.map(([, letter]) => letter), bar, legend.node, cursor, message,
  );

  const updateScale = () => {
    bar.hidden = !pane.slice;
    if (bar.hidden) return;
    const network = viewer.state.view === "model" && pane.slice.model;
    const pixel = network ? 1 : pixelSize(viewer.value, pane.plane)[1];
    const { width, text } = scaleBar(pixel, viewer.value.spacing_mm && !network ? "mm" : "px", pane.camera);
    setText(bar, text);
    bar.style.width = `${width}px`;
  };
  const updateTitles = () => {
    const { state, value } = viewer;
    const swipes = pane.content.kind === "swipe";
    const [first, second] = paneTitles(viewer, pane);
    setName(title, first);
    setName(other, second);
    divider.hidden = !swipes || !pane.slice;
    if (swipes) divider.style.left = `${100 * state.divider}%`;
    const names = [value?.title, first, second].filter((name, i, all) => name && all.indexOf(name) === i);
    setSpoken(node, "aria-label", value ? `${names.join(", ") || "Image"}. Press question mark for the keys.` : "No image");
    setSpoken(canvas, "aria-label", value?.alternative_text || "No image");
  };
  const update = () => {
    const { value, state } = viewer;
    node.dataset.tool = state.tool;
    node.dataset.plane = pane.plane;
    node.dataset.fitted = String(pane.camera.fitted);
    node.dataset.active = String(viewer.panes.length > 1 && viewer.activePane === pane);
    updateTitles();
    const { orientation } = value?.planes[pane.plane] || {};
    for (const [side, letter] of letters) letter.textContent = state.view === "model" ? "" : orientation?.[side] || "";
    setText(message, pane.message);
    message.hidden = !pane.message;
    legend.update();
    updateScale();
  };
  // Where the pointer is, while it is over another pane of the same plane.
  const point = (place) => {
    cursor.hidden = !place;
    if (place) cursor.style.transform = `translate(${Math.round(place.x)}px, ${Math.round(place.y)}px)`;
  };
  point(null);
  return { node, canvas, divider, update, point };
}

// Of one prediction the image's title; of several their names; with more than one plane the plane's as well; of several
// channels the one that is shown.
function paneTitles(viewer, pane) {
  const { value, state, visiblePlanes } = viewer;
  if (!value) return ["", ""];
  const plane = visiblePlanes.length > 1 ? `${planeName(value, pane.plane)} ${sliceIndex(state, pane.plane) + 1}` : "";
  const channel = channelTitle(viewer);
  let names = plane ? [] : [value.title || ""];
  if (value.predictions.length > 1) names = pane.content.kind === "agreement" ? [spoken("Agreement")] : pane.names;
  return [[plane, names[0], channel].filter(Boolean).join(" · "), names[1] || ""];
}
