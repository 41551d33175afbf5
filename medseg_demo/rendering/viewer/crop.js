// The crop box: the part of an image that a network is to get alone. It is kept as [z0, y0, x0, z1, y1, x1] in voxels of
// the array, ends exclusive, and seen in all planes. A drag on one plane leaves the axis across it as it is.

const HANDLE = 4;

function wholeBox({ shape }) {
  return [0, 0, 0, ...shape];
}

// The edges of voxels [down, right] that lie next to a place of a picture, as numbers along the array's axes.
function edgesAt(value, plane, { x, y }) {
  const { size, flips, reduction } = value.planes[plane];
  return [y, x].map((place, i) => {
    const edge = Math.min(Math.max(Math.round(place * reduction), 0), size[i]);
    return flips[i] ? size[i] - edge : edge;
  });
}

// The box on the stage of a pane, {left, top, right, bottom}.
function boxOnStage(value, plane, camera, box) {
  const { axes: [, ...axes], size, flips, reduction } = value.planes[plane];
  const [[top, bottom], [left, right]] = axes.map((axis, i) =>
    [box[axis], box[axis + 3]].map((edge) => (flips[i] ? size[i] - edge : edge) / reduction).sort((a, b) => a - b),
  );
  const [start, end] = [camera.toStage(left, top), camera.toStage(right, bottom)];
  return { left: start.x, top: start.y, right: end.x, bottom: end.y };
}

function passesThrough(box, plane, index) {
  const across = axisAcross(plane);
  return index >= box[across] && index < box[across + 3];
}

// What a press takes hold of: sides within reach (the edges opposite to them stay: `anchors`, [down, right]), the whole
// box inside of it (`from`), or else the corner of a new one.
function takeCrop(viewer, pane, at, reach) {
  const { value, state: { crop } } = viewer;
  const { plane, camera, slice } = pane;
  const { axes: [across, ...axes], flips } = value.planes[plane];
  const edges = edgesAt(value, plane, camera.toPicture(at.x, at.y));
  const passes = crop && passesThrough(crop, plane, slice.index);
  if (passes) {
    const { left, top, right, bottom } = boxOnStage(value, plane, camera, crop);
    const isNear = at.x > left - reach && at.x < right + reach && at.y > top - reach && at.y < bottom + reach;
    const anchors = [[at.y, top, bottom], [at.x, left, right]].map(([place, low, high], i) => {
      const [toLow, toHigh] = [Math.abs(place - low), Math.abs(place - high)];
      if (Math.min(toLow, toHigh) > reach) return null;
      return crop[axes[i] + ((toLow < toHigh) === flips[i] ? 0 : 3)];
    });
    if (isNear && anchors.some((anchor) => anchor !== null)) return { box: crop, anchors };
    if (isNear) return { box: crop, from: edges };
  }
  const box = wholeBox(value);
  if (passes) for (const end of [across, across + 3]) box[end] = crop[end];
  return { box, anchors: edges };
}

// The box that a drag makes of the one that was taken hold of; at least one voxel stays.
function draggedBox(value, plane, { box, anchors, from }, edges) {
  const { axes: [, ...axes] } = value.planes[plane];
  const result = [...box];
  axes.forEach((axis, i) => {
    const length = value.shape[axis];
    if (from) {
      const by = Math.min(Math.max(edges[i] - from[i], -box[axis]), length - box[axis + 3]);
      [result[axis], result[axis + 3]] = [box[axis] + by, box[axis + 3] + by];
    } else if (anchors[i] !== null) {
      const [low, high] = [anchors[i], edges[i]].sort((a, b) => a - b);
      const start = Math.min(low, length - 1);
      [result[axis], result[axis + 3]] = [start, Math.max(high, start + 1)];
    }
  });
  return result;
}

function dragCrop(viewer, { pane, crop }, at) {
  const { value } = viewer;
  viewer.set({ crop: draggedBox(value, pane.plane, crop, edgesAt(value, pane.plane, pane.camera.toPicture(at.x, at.y))) });
}

// The box as it is now, for the page; that of the whole image is none.
function setCrop(viewer, box) {
  const crop = box && box.join() !== wholeBox(viewer.value).join() ? box : null;
  viewer.set({ crop });
  viewer.host.emit("crop", { box: crop, key: viewer.value.key });
}

function useCropKey(viewer, { key }) {
  const { crop, tool } = viewer.state;
  if (tool !== "crop" || !crop || !["Delete", "Backspace"].includes(key)) return false;
  setCrop(viewer, null);
  return true;
}

// What lies outside is darker; handles show while the tool is chosen, dashes where the slice lies outside.
function drawCrop(painter, value, state, { plane, index }) {
  const { context, camera, ratio } = painter;
  const { left, top, right, bottom } = boxOnStage(value, plane, camera, state.crop);
  const passes = passesThrough(state.crop, plane, index);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = "rgba(0, 0, 0, 0.55)";
  context.beginPath();
  context.rect(0, 0, camera.stage.width, camera.stage.height);
  if (passes) context.rect(left, top, right - left, bottom - top);
  context.fill("evenodd");
  context.setLineDash(passes ? [] : [6, 5]);
  const colour = markColours(state).ruler;
  strokeCased(painter, [[left, top, right, top], [right, top, right, bottom], [right, bottom, left, bottom], [left, bottom, left, top]], colour, 1.5);
  context.setLineDash([]);
  if (!passes || state.tool !== "crop") return;
  const [middleX, middleY] = [(left + right) / 2, (top + bottom) / 2];
  for (const [x, y] of [[left, top], [middleX, top], [right, top], [left, middleY], [right, middleY], [left, bottom], [middleX, bottom], [right, bottom]]) {
    context.fillStyle = "#000";
    context.fillRect(x - HANDLE - 1, y - HANDLE - 1, 2 * HANDLE + 2, 2 * HANDLE + 2);
    context.fillStyle = colour;
    context.fillRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
  }
}

function describeBox(value, box) {
  const lengths = [2, 1, 0].slice(0, value.is_volume ? 3 : 2).map((axis) => [box[axis + 3] - box[axis], value.spacing_mm?.at(axis - 3)]);
  const words = `${lengths.map(([count]) => count).join(" × ")} ${value.is_volume ? "voxels" : "px"}`;
  if (!value.spacing_mm) return words;
  return `${words}, ${lengths.map(([count, step]) => formatNumber(count * step, 4)).join(" × ")} mm`;
}

// Two numbers for each axis beside every drag, and a button that takes the box away.
function createCropControl(viewer) {
  const rows = ["z", "y", "x"].map((name, axis) => createCropAxis(viewer, name, axis));
  const size = build("div", { class: "mv-number" });
  const remove = build("button", { type: "button", class: "mv-button", onclick: () => setCrop(viewer, null) }, "Remove box");
  const head = build("div", { class: "mv-list-head" }, build("span", { class: "mv-label" }, "Crop box"), remove);
  const fields = build("div", { class: "mv-crop-axes" }, ...rows.map((row) => row.node).reverse());
  const node = build("div", { class: "mv-crop", role: "group", "aria-label": "Crop box" }, head, fields, size);
  const update = () => {
    const { value, state, slice } = viewer;
    node.hidden = !slice || !offersTool(viewer, "crop") || (state.tool !== "crop" && !state.crop);
    if (node.hidden) return;
    remove.hidden = !state.crop;
    setText(size, state.crop ? describeBox(value, state.crop) : "Drag on the picture, or type");
    for (const row of rows) row.update(state.crop || wholeBox(value));
  };
  return { node, update };
}

function createCropAxis(viewer, name, axis) {
  const choose = (end) => (event) => {
    const { value, state } = viewer;
    const box = [...(state.crop || wholeBox(value))];
    const [least, most] = end ? [box[axis] + 1, value.shape[axis]] : [0, box[axis + 3] - 1];
    const wanted = Math.round(event.target.valueAsNumber);
    if (!Number.isNaN(wanted)) box[axis + 3 * end] = Math.min(Math.max(wanted, least), most);
    event.target.value = box[axis + 3 * end];
    setCrop(viewer, box);
  };
  const [start, stop] = ["starts", "ends"].map((verb, end) =>
    build("input", { type: "number", step: 1, "aria-label": `Crop box ${verb} at ${name}`, onchange: choose(end) }),
  );
  const node = build("div", { class: "mv-crop-axis" }, build("span", { class: "mv-label" }, name), start, build("span", {}, "–"), stop);
  const update = (box) => {
    node.hidden = axis === 0 && !viewer.value.is_volume;
    [start, stop].forEach((input, end) => {
      const [least, most] = end ? [box[axis] + 1, viewer.value.shape[axis]] : [0, box[axis + 3] - 1];
      Object.assign(input, { min: least, max: most });
      if (document.activeElement !== input || input.dataset.shown !== String(box[axis + 3 * end])) input.value = box[axis + 3 * end];
      input.dataset.shown = box[axis + 3 * end];
    });
  };
  return { node, update };
}
