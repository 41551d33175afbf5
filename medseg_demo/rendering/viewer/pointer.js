// Mouse, pen and touch on the stage of a pane: drag, pinch, wheel, hover, click.

const TOUCH_PIXELS_PER_SLICE = 12;

function attachPointer(viewer, pane) {
  const stage = pane.stage.node;
  const pointers = new Map();
  let drag = null;

  const positionOf = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left - stage.clientLeft, y: event.clientY - box.top - stage.clientTop };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (!pane.slice) return;
    stage.focus({ preventScroll: true });
    viewer.activate(pane);
    const at = positionOf(event);
    pointers.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    if (drag?.ruler?.isNew && !drag.moved) deleteRuler(viewer, drag.ruler.number);
    if (drag?.crop && drag.moved) setCrop(viewer, viewer.state.crop);
    const edited = drag?.tool === "edit" && drag.far;
    drag = { pane, edited, tool: toolFor(viewer, pane, event), start: at, last: at, moved: false, window: viewer.state.window, turned: 0 };
    if (pointers.size > 1) return viewer.editor.interrupt(drag.edited);
    const point = pane.camera.toPicture(at.x, at.y);
    const reach = event.pointerType === "touch" ? 22 : 8;
    if (drag.tool === "ruler") drag.ruler = takeRuler(viewer, pane, at, reach);
    if (drag.tool === "crop") drag.crop = takeCrop(viewer, pane, at, reach);
    if (drag.tool === "point") movePoint(viewer, pane, point);
    if (drag.tool === "edit") drag.edit = pressTool(viewer, pane, point, reach, event);
  });

  stage.addEventListener("pointermove", (event) => {
    const at = positionOf(event);
    viewer.hover(pane, pane.camera.toPicture(at.x, at.y));
    if (!pointers.has(event.pointerId) || !drag) return;
    if (pointers.size === 2) pinch(viewer, pointers, event.pointerId, at);
    else if (drag.edit) dragTool(viewer, drag, at);
    else dragOn(viewer, drag, at);
    pointers.set(event.pointerId, at);
  });

  const release = (event) => {
    if (!pointers.delete(event.pointerId) || !drag) return;
    const clicked = event.type === "pointerup" && !drag.moved && event.button === 0;
    if (clicked && !["ruler", "divider", "crop", "edit"].includes(drag.tool)) viewer.select(pane, pane.camera.toPicture(drag.start.x, drag.start.y));
    if (!drag.moved && drag.ruler?.isNew) deleteRuler(viewer, drag.ruler.number);
    if (drag.moved && drag.crop) setCrop(viewer, viewer.state.crop);
    if (drag.edit) drag.edit.release(viewer.editor);
    drag = pointers.size ? { ...drag, tool: "pan", moved: true, last: [...pointers.values()][0] } : null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => viewer.hover(pane, null));
  stage.addEventListener("contextmenu", (event) => (canWindow(viewer) || viewer.editor.tool?.takesRight) && event.preventDefault());
  stage.addEventListener("dblclick", () => !viewer.editor.tool && viewer.moveCamera((camera) => camera.fit()));
  attachWheel(viewer, pane, stage, positionOf);
}

// One finger on a volume that fits its stage turns slices; across, for up and down scroll the page.
function toolFor(viewer, pane, event) {
  const { state, value } = viewer;
  if (event.target === pane.stage.divider) return "divider";
  if (event.button === 1) return "pan";
  if (event.button === 2 && viewer.editor.tool?.takesRight) return "edit";
  if (event.button === 2 || state.tool === "window") return canWindow(viewer) ? "window" : "pan";
  if (viewer.editor.tool) return "edit";
  if (!offersTool(viewer, state.tool)) return "pan";
  if (state.tool === "pan" && event.pointerType === "touch" && value.is_volume && pane.camera.fitted) return "slices";
  return state.tool;
}

function dragOn(viewer, drag, at) {
  const far = Math.hypot(at.x - drag.start.x, at.y - drag.start.y) > 3;
  if (!drag.moved && !far) return;
  drag.moved = true;
  const { pane, tool, last } = drag;
  const place = pane.camera.toPicture(at.x, at.y);
  if (tool === "pan") viewer.moveCamera((camera) => camera.move(at.x - last.x, at.y - last.y));
  if (tool === "window") dragWindow(viewer, drag, at);
  if (tool === "ruler" && drag.ruler) changeRuler(viewer, drag.ruler.number, { [drag.ruler.end]: place });
  if (tool === "crop" && drag.crop) dragCrop(viewer, drag, at);
  if (tool === "point") movePoint(viewer, pane, place);
  if (tool === "divider") viewer.set({ divider: Math.min(Math.max(at.x / pane.camera.stage.width, 0), 1) });
  if (tool === "slices") dragSlices(viewer, drag, at);
  drag.last = at;
}

// The tool that a press began to use; none where it may not, which is said.
function pressTool(viewer, pane, place, reach, event) {
  const { editor } = viewer;
  const why = editor.refusal(pane);
  editor.cursor = null;
  editor.say(why);
  if (why) return null;
  const { tool } = editor;
  tool.press(editor, pane, place, reach, event);
  return tool;
}

function dragTool(viewer, drag, at) {
  const { pane, last, start } = drag;
  drag.far ||= Math.hypot(at.x - start.x, at.y - start.y) > 24;
  drag.moved = true;
  drag.edit.drag(viewer.editor, pane, pane.camera.toPicture(at.x, at.y), pane.camera.toPicture(last.x, last.y));
  drag.last = at;
  viewer.redraw();
}

// The end of a ruler that lies under the pointer, or that of a new one.
function takeRuler(viewer, pane, at, reach) {
  viewer.set({ measuring: null });
  const found = rulerEndAt(viewer, pane, at, reach);
  if (found) viewer.set({ ruler: found.number });
  return found || { number: addRuler(viewer, pane.plane, pane.camera.toPicture(at.x, at.y)), end: "to", isNew: true };
}

function dragSlices(viewer, drag, at) {
  const turned = Math.trunc((at.x - drag.start.x) / TOUCH_PIXELS_PER_SLICE);
  if (turned !== drag.turned) viewer.goTo(sliceIndex(viewer.state, drag.pane.plane) + turned - drag.turned, drag.pane.plane);
  drag.turned = turned;
}

// The other planes go to where the pointer is on this one.
function movePoint(viewer, pane, place) {
  const voxel = voxelAt(viewer.value, pane.plane, sliceIndex(viewer.state, pane.plane), place);
  viewer.moveTo(voxel);
}

// Across changes the width, up makes darker tissue visible; a drag over the stage covers the whole range.
function dragWindow(viewer, { pane, start, window: [low, high] }, at) {
  const { range, scale } = viewer.channel.intensity;
  const perPixel = (range[1] - range[0]) / pane.camera.stage.width;
  const width = Math.max(scale, high - low + (at.x - start.x) * perPixel);
  const level = (low + high) / 2 + (at.y - start.y) * perPixel;
  viewer.set({ window: [level - width / 2, level + width / 2] });
}

// Two fingers: their distance zooms about their middle, their middle pans.
function pinch(viewer, pointers, moved, at) {
  const other = [...pointers].find(([id]) => id !== moved)[1];
  const before = pointers.get(moved);
  const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
  const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
  viewer.moveCamera((camera) => {
    camera.move((at.x - before.x) / 2, (at.y - before.y) / 2);
    camera.zoom(spread(at) / spread(before), middle.x, middle.y);
  });
}

// Control and wheel zooms; the wheel alone turns slices, or scrolls the page where there is one slice.
function attachWheel(viewer, pane, stage, positionOf) {
  let turned = 0;
  stage.addEventListener("wheel", (event) => {
    if (!pane.slice) return;
    const at = positionOf(event);
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      viewer.activate(pane);
      viewer.moveCamera((camera) => camera.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), at.x, at.y));
    } else if (sliceCount(viewer.value, pane.plane) > 1) {
      event.preventDefault();
      viewer.activate(pane);
      turned += event.deltaMode ? event.deltaY * 30 : event.deltaY;
      const steps = Math.trunc(turned / 30);
      turned -= 30 * steps;
      if (steps) viewer.goTo(sliceIndex(viewer.state, pane.plane) + Math.max(-4, Math.min(4, steps)), pane.plane);
    }
  }, { passive: false });
}
