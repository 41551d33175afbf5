// Keys, which work while the viewer has the focus, and the card that lists them.

const KEY_CARD = [
  ["Arrows", "Slices of a volume; else pan"],
  ["Shift + arrows", "Pan"],
  ["+  −", "Zoom"],
  ["F", "Fit"],
  ["Shift F", "Full screen"],
  ["[  ]", "Overlay opacity"],
  ["O", "Outline or fill"],
  ["M", "Mask on or off"],
  ["E", "Errors against the reference"],
  ["C", "Next view"],
  [",  .", "Threshold down, up"],
  ["T", "Threshold of the result"],
  ["1 … 9", "Class on or off"],
  ["W  R", "Window tool, ruler"],
  ["N  P", "Next, previous disagreement"],
  ["J  K", "Next, previous case"],
  ["Esc", "Back to panning"],
  ["?", "This card"],
];

const WITHOUT_SHIFT = {
  "+": (viewer) => viewer.zoom(1.25),
  "=": (viewer) => viewer.zoom(1.25),
  "-": (viewer) => viewer.zoom(0.8),
  0: (viewer) => viewer.fit(),
  f: (viewer) => viewer.fit(),
  "[": (viewer) => viewer.setOpacity(viewer.opacity - 0.1),
  "]": (viewer) => viewer.setOpacity(viewer.opacity + 0.1),
  o: (viewer) => viewer.set({ view: "overlay", mode: viewer.state.mode === "outline" ? "fill" : "outline" }),
  m: (viewer) => viewer.toggleMask(),
  e: (viewer) => viewer.slice?.reference && viewer.set({ view: "overlay", mode: "errors" }),
  c: (viewer) => viewer.nextView(),
  ",": (viewer) => viewer.hasThreshold && viewer.set({ threshold: Math.max(0, viewer.state.threshold - 0.01) }),
  ".": (viewer) => viewer.hasThreshold && viewer.set({ threshold: Math.min(1, viewer.state.threshold + 0.01) }),
  t: (viewer) => viewer.resetThreshold(),
  w: (viewer) => canWindow(viewer) && viewer.toggleTool("window"),
  r: (viewer) => viewer.toggleTool("ruler"),
  n: (viewer) => viewer.nextDisagreement(1),
  p: (viewer) => viewer.nextDisagreement(-1),
  j: (viewer) => viewer.host.emit("navigate", { step: 1 }),
  k: (viewer) => viewer.host.emit("navigate", { step: -1 }),
  "?": (viewer) => viewer.help.toggle(),
  Home: (viewer) => viewer.goTo(0),
  End: (viewer) => viewer.goTo((viewer.value?.slice_count || 1) - 1),
  PageUp: (viewer) => viewer.goTo(viewer.state.slice + 10),
  PageDown: (viewer) => viewer.goTo(viewer.state.slice - 10),
};

const ARROWS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [1, 0], ArrowRight: [-1, 0] };

function useArrow(viewer, key, shift) {
  const [dx, dy] = ARROWS[key];
  if (shift || viewer.value?.slice_count === 1) viewer.pan(48 * dx, 48 * dy);
  else viewer.goTo(viewer.state.slice + dy - dx);
}

function useKey(viewer, event) {
  const { key } = event;
  if (key === "Escape") return viewer.escape();
  if (!viewer.slice) return false;
  if (key in ARROWS) useArrow(viewer, key, event.shiftKey);
  else if (event.shiftKey && key.toLowerCase() === "f") viewer.toggleFullScreen();
  else if (/^[1-9]$/.test(key) && viewer.state.classes[key - 1]) viewer.toggleClass(key - 1);
  else {
    const action = WITHOUT_SHIFT[key] || WITHOUT_SHIFT[key.toLowerCase()];
    if (!action) return false;
    action(viewer);
  }
  return true;
}

function attachKeys(viewer, root) {
  root.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("input, select") && event.key !== "Escape";
    if (event.ctrlKey || event.metaKey || event.altKey || elsewhere) return;
    if (!useKey(viewer, event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function createHelp(stageFocus) {
  const rows = KEY_CARD.flatMap(([keys, meaning]) => [build("dt", {}, keys), build("dd", {}, meaning)]);
  const toggle = (open = node.hidden) => {
    node.hidden = !open;
    if (open) node.querySelector("button").focus();
    else stageFocus();
  };
  const node = build(
    "div",
    { class: "mv-help", role: "dialog", "aria-label": "Keys" },
    build("div", { class: "mv-help-head" }, build("strong", {}, "Keys"), iconButton("close", "Close (Esc)", () => toggle(false))),
    build("p", {}, "They work while the picture or one of its buttons has the focus."),
    build("dl", {}, ...rows),
  );
  node.hidden = true;
  return { node, toggle };
}
