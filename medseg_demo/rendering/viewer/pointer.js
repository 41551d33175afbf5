// Mouse, pen and touch on the stage: drag, pinch, wheel, hover, click.

function attachPointer(viewer, stage) {
  const pointers = new Map();
  let drag = null;

  const positionOf = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left - stage.clientLeft, y: event.clientY - box.top - stage.clientTop };
  };
  const toolFor = (event) => {
    if (event.button === 1) return "pan";
    const wantsWindow = event.button === 2 || viewer.state.tool === "window";
    return wantsWindow ? (canWindow(viewer) ? "window" : "pan") : viewer.state.tool;
  };

  stage.addEventListener("pointerdown", (event) => {
    if (!viewer.slice || event.target.closest(".mv-help")) return;
    stage.focus({ preventScroll: true });
    const at = positionOf(event);
    pointers.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    drag = { tool: toolFor(event), start: at, last: at, moved: false, window: viewer.state.window };
    if (pointers.size === 1 && drag.tool === "ruler") {
      const point = viewer.camera.toPicture(at.x, at.y);
      viewer.set({ ruler: { from: point, to: point } });
    }
  });

  stage.addEventListener("pointermove", (event) => {
    const at = positionOf(event);
    viewer.hover(viewer.camera.toPicture(at.x, at.y));
    if (!pointers.has(event.pointerId) || !drag) return;
    if (pointers.size === 2) pinch(viewer, pointers, event.pointerId, at);
    else dragOn(viewer, drag, at);
    pointers.set(event.pointerId, at);
  });

  const release = (event) => {
    if (!pointers.delete(event.pointerId) || !drag) return;
    const clicked = event.type === "pointerup" && !drag.moved && event.button === 0;
    if (clicked && drag.tool !== "ruler") viewer.select(viewer.camera.toPicture(drag.start.x, drag.start.y));
    if (!drag.moved && drag.tool === "ruler") viewer.set({ ruler: null });
    drag = pointers.size ? { ...drag, tool: "pan", moved: true, last: [...pointers.values()][0] } : null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => viewer.hover(null));
  stage.addEventListener("contextmenu", (event) => canWindow(viewer) && event.preventDefault());
  stage.addEventListener("dblclick", (event) => !event.target.closest(".mv-help") && viewer.fit());
  attachWheel(viewer, stage, positionOf);
}

function dragOn(viewer, drag, at) {
  const far = Math.hypot(at.x - drag.start.x, at.y - drag.start.y) > 3;
  if (!drag.moved && !far) return;
  drag.moved = true;
  if (drag.tool === "pan") viewer.pan(at.x - drag.last.x, at.y - drag.last.y);
  if (drag.tool === "window") dragWindow(viewer, drag, at);
  if (drag.tool === "ruler") viewer.set({ ruler: { ...viewer.state.ruler, to: viewer.camera.toPicture(at.x, at.y) } });
  drag.last = at;
}

// Across changes the width, up makes darker tissue visible; a drag over the stage covers the whole range.
function dragWindow(viewer, { start, window: [low, high] }, at) {
  const { range, scale } = viewer.value.intensity;
  const perPixel = (range[1] - range[0]) / viewer.camera.stage.width;
  const width = Math.max(scale, high - low + (at.x - start.x) * perPixel);
  const level = (low + high) / 2 + (at.y - start.y) * perPixel;
  viewer.setWindow([level - width / 2, level + width / 2]);
}

// Two fingers: their distance zooms about their middle, their middle pans.
function pinch(viewer, pointers, moved, at) {
  const other = [...pointers].find(([id]) => id !== moved)[1];
  const before = pointers.get(moved);
  const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
  const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
  viewer.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
  viewer.zoom(spread(at) / spread(before), middle.x, middle.y);
}

// Control and wheel zooms; the wheel alone turns slices, or scrolls the page where there is one slice.
function attachWheel(viewer, stage, positionOf) {
  let turned = 0;
  stage.addEventListener("wheel", (event) => {
    if (!viewer.slice) return;
    const at = positionOf(event);
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      viewer.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), at.x, at.y);
    } else if (viewer.value.slice_count > 1) {
      event.preventDefault();
      turned += event.deltaMode ? event.deltaY * 30 : event.deltaY;
      const steps = Math.trunc(turned / 30);
      turned -= 30 * steps;
      if (steps) viewer.goTo(viewer.state.slice + Math.max(-4, Math.min(4, steps)));
    }
  }, { passive: false });
}
