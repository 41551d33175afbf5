// Keys of the editing tools, and a cursor for whoever has no pointer: Enter puts it down, arrows move it.

function startCorrecting(viewer, wanted = !viewer.state.correcting, tool = BRUSH.name) {
  const { state, value } = viewer;
  if (!value?.editing) return;
  if (!wanted) return viewer.set({ correcting: false, tool: editTool(state.tool) ? "pan" : state.tool });
  Object.assign(state, { correcting: true, tool, view: "overlay", mode: state.mode === "off" ? "fill" : state.mode });
  if (viewer.slice) viewer.refresh();
}

function setBrush(viewer, size) {
  const [least, most] = BRUSH_SIZES;
  viewer.set({ brush: Math.min(Math.max(Math.round(size), least), most) });
}

function chooseLabel(viewer, label) {
  if (label === 0 || viewer.value.editing.classes.includes(label)) viewer.set({ label });
}

function useUndoKey(viewer, { key, shiftKey, target }) {
  if (!viewer.state.correcting || target.closest("input:not([type=range], [type=checkbox], [type=color])")) return false;
  const wanted = key.toLowerCase();
  if (wanted === "y" || (wanted === "z" && shiftKey)) viewer.editor.redo();
  else if (wanted === "z") viewer.editor.undo();
  else return false;
  return true;
}

const EDIT_KEYS = {
  ",": (viewer) => setBrush(viewer, viewer.state.brush - (viewer.state.brush > 20 ? 4 : 1)),
  ".": (viewer) => setBrush(viewer, viewer.state.brush + (viewer.state.brush >= 20 ? 4 : 1)),
  a: (viewer) => viewer.set({ keepTo: viewer.state.keepTo === "all" ? "window" : "all" }),
  q: (viewer) => viewer.editor.label && toggleLock(viewer, viewer.editor.label),
  s: (viewer) => viewer.fillBetween?.(),
  0: (viewer) => chooseLabel(viewer, 0),
};

function toggleLock(viewer, label) {
  viewer.setClass(label - 1, { isLocked: !viewer.state.classes[label - 1].isLocked });
}

function useEditKey(viewer, event) {
  const { key, shiftKey, target } = event;
  if (key === "d") {
    startCorrecting(viewer);
    return Boolean(viewer.value.editing);
  }
  if (!viewer.state.correcting) return false;
  if (target.closest(".mv-stage") && editTool(viewer.state.tool) && useCursorKey(viewer, key, shiftKey)) return true;
  if (useClickKey(viewer, key)) return true;
  const tool = EDIT_TOOLS.find((one) => one.key === key);
  if (tool) viewer.set({ tool: tool.name });
  else if (/^[1-9]$/.test(key)) chooseLabel(viewer, Number(key));
  else if (EDIT_KEYS[key]) EDIT_KEYS[key](viewer);
  else return false;
  return true;
}

// Whether a key was used at the cursor. The pen stays down between two presses of the space bar.
function useCursorKey(viewer, key, shiftKey) {
  const { editor } = viewer;
  const { cursor } = editor;
  if (!cursor) return key === "Enter" && putCursor(viewer);
  if (key in ARROWS) moveCursor(viewer, key, shiftKey ? 10 : 1);
  else if (key === "Enter") pressAtCursor(viewer);
  else if (key === " " && editor.tool.hasSize) togglePen(viewer);
  else if (key === "Backspace" && editor.draft) {
    editor.draft.corners.pop();
    if (!editor.draft.corners.length) editor.draft = null;
  } else return false;
  viewer.redraw();
  return true;
}

function putCursor(viewer) {
  const { editor, activePane, camera } = viewer;
  const { width, height } = activePane.slice.image;
  const middle = camera.toPicture(camera.stage.width / 2, camera.stage.height / 2);
  const inside = (place, length) => Math.min(Math.max(Math.floor(place), 0), length - 1) + 0.5;
  editor.cursor = { pane: activePane, at: { x: inside(middle.x, width), y: inside(middle.y, height) }, isDown: false };
  viewer.redraw();
  return true;
}

function moveCursor(viewer, key, by) {
  const { editor } = viewer;
  const { cursor } = editor;
  const [dx, dy] = ARROWS[key].map((step) => -step * by);
  const { width, height } = cursor.pane.slice.image;
  const last = cursor.at;
  cursor.at = { x: Math.min(Math.max(last.x + dx, 0.5), width - 0.5), y: Math.min(Math.max(last.y + dy, 0.5), height - 0.5) };
  if (cursor.isDown) editor.paintAlong(last, cursor.at);
}

function pressAtCursor(viewer) {
  const { editor } = viewer;
  const { cursor, tool } = editor;
  const why = editor.refusal(cursor.pane);
  if (why) return editor.say(why);
  if (cursor.isDown) return togglePen(viewer);
  if (tool.enter) return tool.enter(editor, cursor.pane, cursor.at);
  tool.press(editor, cursor.pane, cursor.at, 0);
  tool.release(editor);
}

function togglePen(viewer) {
  const { editor } = viewer;
  const { cursor, tool } = editor;
  const why = editor.refusal(cursor.pane);
  if (why) return editor.say(why);
  if (cursor.isDown) tool.release(editor);
  else tool.press(editor, cursor.pane, cursor.at, 0);
  cursor.isDown = !cursor.isDown;
}

// What lies over a pane: the tool's shape at the pointer or at the cursor, which has a cross.
function drawEditing(viewer, pane) {
  const { editor, pointer } = viewer;
  const { tool, cursor } = editor;
  if (!tool || viewer.state.view === "model") return;
  const isHere = cursor?.pane === pane;
  tool.draw(editor, pane, isHere ? cursor.at : pointer?.pane === pane ? pointer.position : null);
  if (!isHere) return;
  const { x, y } = pane.camera.toStage(cursor.at.x, cursor.at.y);
  strokeCased(pane.painter, [[x - 12, y, x - 4, y], [x + 4, y, x + 12, y], [x, y - 12, x, y - 4], [x, y + 4, x, y + 12]], markColours(viewer.state).ruler, cursor.isDown ? 3 : 1.5);
}

// From the innermost outwards: a shape that is being drawn, the cursor, the tools.
function escapeEditing(viewer) {
  const { editor, state } = viewer;
  if (!state.correcting) return false;
  if (editor.stroke) editor.commit();
  if (editor.draft) editor.draft = null;
  else if (editor.cursor) editor.cursor = null;
  else startCorrecting(viewer, false);
  viewer.redraw();
  return true;
}
