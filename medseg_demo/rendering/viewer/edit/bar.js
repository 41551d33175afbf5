// What a person chooses while correcting: the bar of tools above the stages, and the panel beside them.

const KEPT_TO = [
  ["all", "All", "Paint on every intensity"],
  ["window", "Window", "Paint only where the intensity lies in the shown window (A)"],
  ["range", "Between", "Paint only where the intensity lies between two numbers"],
];

// The way in: seen where there is something to correct.
function createCorrectButton(viewer) {
  const node = build("button", {
    type: "button", class: "mv-button mv-correct", title: "Correct the label map by hand (D)", onclick: () => startCorrecting(viewer),
  }, icon("brush"), build("span", {}, "Correct"));
  const update = () => {
    node.hidden = !viewer.value?.editing || !viewer.slice;
    node.setAttribute("aria-pressed", String(viewer.state.correcting));
  };
  return { node, update };
}

function createEditBar(viewer) {
  const tools = EDIT_TOOLS.map((tool) => [tool, iconButton(tool.name, tool.label, () => viewer.set({ tool: tool.name }))]);
  const size = slider("Size", { min: BRUSH_SIZES[0], max: BRUSH_SIZES[1], step: 1, title: "Size of the brush (, and .)" }, (value) => setBrush(viewer, value));
  const label = createLabelChoice(viewer);
  const undo = iconButton("reset", "Undo (Ctrl Z)", () => viewer.editor.undo());
  const redo = iconButton("redo", "Redo (Ctrl Shift Z)", () => viewer.editor.redo());
  const node = build(
    "div", { class: "mv-bar mv-edit-bar", role: "toolbar", "aria-label": "Correct" },
    build("div", { class: "mv-group", role: "group", "aria-label": "Tools" }, ...tools.map(([, button]) => button)),
    build("div", { class: "mv-group" }, undo, redo),
    label.node, size.node,
  );
  const update = () => {
    const { state, editor, slice, value } = viewer;
    node.hidden = !state.correcting || !slice;
    if (node.hidden) return;
    for (const [tool, button] of tools) button.setAttribute("aria-pressed", String(tool.name === state.tool));
    undo.disabled = !editor.done.length;
    redo.disabled = !editor.undone.length;
    label.update();
    size.node.hidden = !editor.tool?.hasSize;
    size.update(state.brush, sizeOfBrush(value, state));
  };
  return { node, update };
}

// In sides of the shorter pixel, in millimetres where they are known.
function sizeOfBrush(value, { brush, plane }) {
  const side = Math.min(...pixelSize(value, plane));
  return value.planes[plane].spacing_mm ? `${formatNumber(brush * side, 3)} mm` : `${brush} px`;
}

// Which class is painted, with its colour.
function createLabelChoice(viewer) {
  const colour = build("span", { class: "mv-plane-colour", "aria-hidden": "true" });
  const select = build("select", {
    "aria-label": "Class to paint", title: "Class to paint (1 … 9; 0 is background)", onchange: () => chooseLabel(viewer, Number(select.value)),
  });
  const node = build("label", { class: "mv-paint" }, colour, select);
  let listed = null;
  const update = () => {
    const { value, state, editor } = viewer;
    if (listed !== value) {
      const options = value.editing.classes.map((label) => build("option", { value: label }, value.classes[label - 1].name));
      select.replaceChildren(...options, build("option", { value: 0 }, "Background"));
    }
    listed = value;
    const { label } = editor;
    select.value = String(label);
    colour.style.background = label ? hexOf(state.classes[label - 1].colour) : "transparent";
  };
  return { node, update };
}

// A lock in the list of classes: no tool changes what is protected.
function createLock(viewer, i) {
  const node = iconButton("lock", `Protect ${viewer.value.classes[i].name}: no tool changes it`, () => toggleLock(viewer, i + 1));
  const update = () => {
    node.hidden = !viewer.state.correcting;
    node.setAttribute("aria-pressed", String(Boolean(viewer.state.classes[i].isLocked)));
  };
  return { node, update };
}

function createEditPanel(viewer) {
  const parts = [createClickPanel, createKeptTo, createFillBetween, createCopy].map((make) => make(viewer));
  const said = build("p", { class: "mv-edit-said", role: "status" });
  const node = build("div", { class: "mv-edit", role: "group", "aria-label": "Corrections" }, said, ...parts.map((part) => part.node));
  const update = () => {
    const { state, value } = viewer;
    node.hidden = !value?.editing || !state.correcting; // also while its slices are on their way: a conflict is said here
    if (node.hidden) return;
    setText(said, describeEditing(viewer));
    for (const part of parts) part.update();
  };
  return { node, update };
}

function describeEditing({ editor, value }) {
  const why = editor.words || editor.refusal();
  if (why) return why;
  const { waiting, isLost } = editor.sync;
  if (isLost) return `The connection is lost: ${waiting.length} changes wait here and are sent again. Leave this page open.`;
  const [count, { isUnsaved }] = [editor.changedSlices.length, editor.sync];
  if (!editor.isChanged) return "Paint on the picture. Corrections end with this session unless they are saved.";
  if (!value.is_volume) return isUnsaved ? "Corrected, and not saved yet: corrections end with this session." : "Corrected, and saved.";
  return isUnsaved ? `Slices corrected: ${count}. Not saved yet: corrections end with this session.` : `Slices corrected: ${count}. Saved.`;
}

function createKeptTo(viewer) {
  const modes = segmented("Intensities to paint on", KEPT_TO, (keepTo) => viewer.set(keepTo === "range" ? { keepTo, keepRange: viewer.state.keepRange || viewer.state.window } : { keepTo }));
  const [low, high] = ["Least", "Greatest"].map((word, end) => build("input", {
    type: "number", step: "any", "aria-label": `${word} intensity to paint on`,
    onchange: ({ target }) => Number.isFinite(target.valueAsNumber) && viewer.set({ keepRange: viewer.state.keepRange.map((one, i) => (i === end ? target.valueAsNumber : one)) }),
  }));
  const range = build("span", { class: "mv-edit-range" }, low, build("span", {}, "–"), high);
  const node = build("div", { class: "mv-row" }, build("span", { class: "mv-label" }, "Paint on"), modes.node, range);
  const update = () => {
    const { state } = viewer;
    node.hidden = !canWindow(viewer);
    modes.update(state.keepTo);
    range.hidden = state.keepTo !== "range";
    if (range.hidden) return;
    [low, high].forEach((input, end) => {
      const shown = formatNumber(state.keepRange[end], 6);
      if (document.activeElement !== input) input.value = shown;
    });
  };
  return { node, update };
}

// From one slice of the plane to another, at first the two that were painted last; by numbers as the slider has them.
function createFillBetween(viewer) {
  const [first, last] = ["First", "Last"].map((word) => build("input", { type: "number", min: 1, step: 1, "aria-label": `${word} slice to fill between`, oninput: () => { typed = true; } }));
  const ends = () => [first, last].map((input) => Math.round(input.valueAsNumber) - 1).sort((a, b) => a - b);
  const fill = () => {
    const [from, to] = ends();
    const count = sliceCount(viewer.value, viewer.state.plane);
    if (!(from >= 0 && to < count)) viewer.editor.say(`Name two slices from 1 to ${count}, both with the class on them.`);
    else if (to - from < 2) viewer.editor.say("There is no slice between these two. Paint the class on two slices that lie further apart.");
    else viewer.editor.fillBetween(from, to);
  };
  const button = build("button", { type: "button", class: "mv-button", title: "Fill the slices between by the shapes at both ends (S)", onclick: fill }, "Fill between slices");
  const node = build("div", { class: "mv-row mv-edit-between" }, first, build("span", {}, "–"), last, button);
  let [typed, painted, plane] = [false, null, null];
  const update = () => {
    const { editor, state, value } = viewer;
    node.hidden = !value.is_volume || sliceCount(value, state.plane) < 3;
    if (painted !== editor.painted || plane !== state.plane) typed = false;
    [painted, plane] = [editor.painted, state.plane];
    if (node.hidden || typed) return;
    const indices = editor.painted.filter((one) => one.plane === plane).map((one) => one.index).slice(-2).sort((a, b) => a - b);
    [first, last].forEach((input, i) => {
      input.value = indices.length === 2 ? indices[i] + 1 : "";
      input.max = sliceCount(value, plane);
    });
    button.disabled = Boolean(editor.sync.wish);
  };
  viewer.fillBetween = () => !node.hidden && fill();
  return { node, update };
}

const AS_IT_WAS = -1;

// Labels of another prediction, or those that were there before.
function createCopy(viewer) {
  const select = build("select", { "aria-label": "Copy from" });
  const [onlyClass, onlySlice] = [["This class only", false], ["This slice only", true]].map(([words, checked]) => {
    const input = build("input", { type: "checkbox", checked });
    return { input, node: build("label", { class: "mv-edit-check" }, input, words) };
  });
  const copy = () => viewer.editor.copy(Number(select.value), { onlyClass: onlyClass.input.checked, onlySlice: onlySlice.input.checked });
  const button = build("button", { type: "button", class: "mv-button", onclick: copy }, "Copy");
  const node = build("div", { class: "mv-row mv-edit-copy" }, build("span", { class: "mv-label" }, "Copy from"), select, button, onlyClass.node, onlySlice.node);
  let listed = null;
  const update = () => {
    const { value, editor } = viewer;
    if (listed !== value) {
      const others = value.editing.copies.map((i) => Object.assign(nameOption(value.predictions[i].name), { value: i }));
      select.replaceChildren(...others, build("option", { value: AS_IT_WAS }, "The result as it was"));
    }
    listed = value;
    onlySlice.node.hidden = !value.is_volume;
    if (!value.is_volume) onlySlice.input.checked = false;
    button.disabled = Boolean(editor.sync.wish);
  };
  return { node, update };
}

// Beside the slider of the plane that counts them: how many slices were changed, and whether this is one; to the next.
function createChangedMark(viewer) {
  const node = build("button", { type: "button", class: "mv-chip mv-changed", onclick: () => goOn() });
  const goOn = () => {
    const { editor: { changedSlices }, state } = viewer;
    const index = sliceIndex(state, PLANES[0]);
    viewer.goTo(changedSlices.find((one) => one > index) ?? changedSlices[0], PLANES[0]);
  };
  const update = (plane) => {
    const { value, state, editor: { changedSlices } } = viewer;
    node.hidden = !value?.editing || plane !== PLANES[0] || !changedSlices.length;
    if (node.hidden) return;
    setText(node, `${changedSlices.length} changed`);
    node.title = spoken(`Changed by hand: slices ${changedSlices.map((one) => one + 1).join(", ")}. A press goes to the next.`);
    node.setAttribute("aria-pressed", String(changedSlices.includes(sliceIndex(state, plane))));
  };
  return { node, update };
}
