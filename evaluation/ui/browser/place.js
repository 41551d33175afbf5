// The address follows the tab and, on Evaluate, its run and case; Back and Forward go where it leads.

const KEYS = ["tab", "sample", "compare", "run", "set", "metric", "class", "case", "checkpoint"];
const STEPS = ["tab", "sample", "compare", "run", "case"]; // what Back undoes; the others are changed in place

const parameters = () => new URLSearchParams(location.search);

function tabOf(given) {
  if (given.has("run")) return "evaluate";
  if (given.has("sample")) return given.has("compare") ? "compare" : "segment";
  return given.get("tab") || "segment";
}

let tab = tabOf(parameters());
let place = {}; // what the Evaluate tab shows
let visit = 0; // the number of the last Back or Forward
let awaited = 0; // the visit whose place the server has not told yet; the next one waits for that
let settled = false; // until somebody does something the address is the link that is being opened

function wanted() {
  if (tab === "evaluate" && place.run) return place;
  return tab === "segment" ? {} : { tab };
}

function follow(step = true) {
  if (!settled || awaited) return;
  const before = parameters();
  const after = parameters();
  KEYS.forEach((key) => after.delete(key));
  Object.entries(wanted()).forEach(([key, value]) => after.set(key, value));
  if (`${after}` === `${before}`) return;
  const moved = STEPS.some((key) => after.get(key) !== before.get(key));
  const address = `${location.pathname}${after.size ? `?${after}` : ""}${location.hash}`;
  history[step && moved ? "pushState" : "replaceState"](history.state, "", address);
}

for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => { settled = true; awaited = 0; }, { capture: true });
}

document.addEventListener("medseg-tab", ({ detail }) => {
  if (!settled || awaited) return;
  tab = detail;
  follow();
});

function go() {
  tab = tabOf(parameters());
  awaited = visit += 1;
  trigger("go", { parameters: Object.fromEntries(parameters()), visit });
}

let left = ""; // the address that a visit leads to
window.addEventListener("popstate", () => {
  settled = true;
  if (awaited) return;
  left = location.search;
  go();
});

watch("value", () => {
  if (!props.value) return;
  const told = JSON.parse(props.value);
  const first = !place.run;
  place = told.parameters;
  if (!told.visit || told.visit !== awaited) return follow(!first);
  awaited = 0;
  if (location.search === left) return follow(false);
  left = location.search;
  go();
});
