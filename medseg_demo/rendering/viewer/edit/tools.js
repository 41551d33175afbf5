// The tools that change labels: one record each. A further one is a record in a file of its own, and a line here.
// `press`, `drag` and `release` get the editor, the pane and the place in its picture; `draw` paints over the pane; `enter`
// is what the Enter key does at the cursor, where that is not a press and a release.

const BRUSH = {
  name: "brush",
  label: "Brush: paints the chosen class (B)",
  key: "b",
  hasSize: true,
  press: (editor, pane, at) => {
    editor.begin(pane, "brush", editor.label);
    editor.paintAlong(at, at);
  },
  drag: (editor, pane, at, last) => editor.paintAlong(last, at),
  release: (editor) => editor.commit(),
  draw: drawRing,
};

const ERASER = {
  ...BRUSH,
  name: "eraser",
  label: "Eraser: takes any class away (E)",
  key: "e",
  press: (editor, pane, at) => {
    editor.begin(pane, "eraser", 0);
    editor.paintAlong(at, at);
  },
};

const POLYGON = {
  name: "polygon",
  label: "Polygon: a press sets a corner; on the first one, or Enter, fills it (P)",
  key: "p",
  press: (editor, pane, at, reach) => {
    const { draft } = editor;
    if (draft?.pane !== pane) return editor.beginDraft(pane, at);
    const first = pane.camera.toStage(draft.corners[0].x, draft.corners[0].y);
    const here = pane.camera.toStage(at.x, at.y);
    if (draft.corners.length > 2 && Math.hypot(first.x - here.x, first.y - here.y) <= reach) editor.fillDraft("polygon");
    else draft.corners.push(at);
  },
  drag: (editor, pane, at) => {
    if (editor.draft) editor.draft.corners[editor.draft.corners.length - 1] = at;
  },
  release: () => {},
  draw: drawDraft,
  // A corner by the keys; on the corner that was set last it fills.
  enter: (editor, pane, at) => {
    const last = editor.draft?.corners.at(-1);
    if (last && last.x === at.x && last.y === at.y) editor.fillDraft("polygon");
    else POLYGON.press(editor, pane, at, 0);
  },
};

const LASSO = {
  name: "lasso",
  label: "Lasso: draw around what is to be filled (L)",
  key: "l",
  press: (editor, pane, at) => editor.beginDraft(pane, at),
  drag: (editor, pane, at) => editor.draft?.corners.push(at),
  release: (editor) => editor.fillDraft("lasso"),
  draw: drawDraft,
  enter: (editor, pane, at) => POLYGON.enter(editor, pane, at),
};

const FILL = {
  name: "fill",
  label: "Fill: a press gives the chosen class to a region of one class (U)",
  key: "u",
  press: (editor, pane, at) => {
    editor.begin(pane, "fill", editor.label);
    editor.paintRegion(at);
    editor.commit();
  },
  drag: () => {},
  release: () => {},
  draw: () => {},
};

const EDIT_TOOLS = [BRUSH, ERASER, POLYGON, LASSO, FILL, CLICK];

function editTool(name) {
  return EDIT_TOOLS.find((tool) => tool.name === name);
}

// The brush around a place of the picture, as large as what it paints.
function drawRing(editor, pane, at) {
  if (!at) return;
  const { context, ratio, camera } = pane.painter;
  const centre = camera.toStage(at.x, at.y);
  const side = Math.min(camera.scaleX, camera.scaleY);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const [colour, width] of [["rgba(0, 0, 0, 0.7)", 3], [markColours(editor.viewer.state).ruler, 1.5]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(centre.x, centre.y, Math.max(2, (side * editor.viewer.state.brush) / 2), 0, 2 * Math.PI);
    context.stroke();
  }
}

// The corners that were set so far, and the line on to the pointer.
function drawDraft(editor, pane, at) {
  const { draft } = editor;
  if (!draft || draft.pane !== pane) return;
  const places = [...draft.corners, ...(at ? [at] : [])].map(({ x, y }) => pane.camera.toStage(x, y));
  const colour = markColours(editor.viewer.state).ruler;
  const lines = places.slice(1).map((place, i) => [places[i].x, places[i].y, place.x, place.y]);
  const [{ x, y }] = places;
  strokeCased(pane.painter, [...lines, [x - 4, y - 4, x + 4, y - 4], [x + 4, y - 4, x + 4, y + 4], [x + 4, y + 4, x - 4, y + 4], [x - 4, y + 4, x - 4, y - 4]], colour, 1.5);
}
