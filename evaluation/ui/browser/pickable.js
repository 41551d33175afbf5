// HTML whose parts can be picked: one listener for all of them, so that it outlives every new value.

function answer(target) {
  const data = target.dataset;
  if ("pick" in data) trigger("pick", { pick: JSON.parse(data.pick) });
  else if ("sort" in data) trigger("sort", { column: data.sort });
  else if ("page" in data) trigger("turn_page", { page: Number(data.page) });
  else if ("step" in data) trigger("navigate", { step: Number(data.step) });
  else trigger("close", {});
}

element.addEventListener("click", (event) => {
  const target = event.target.closest("[data-pick], [data-sort], [data-page], [data-step], [data-close]");
  if (target && element.contains(target) && !target.disabled) answer(target);
});

// The head of the drawer answers to keys of the whole drawer, and takes the focus when another case is opened.
const drawer = element.closest("#ev-drawer");
if (drawer && element.id === "ev-case-head") {
  const keys = { j: { step: 1 }, k: { step: -1 } };
  drawer.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (event.key === "Escape") trigger("close", {});
    else if (keys[event.key.toLowerCase()]) trigger("navigate", keys[event.key.toLowerCase()]);
  };
  const focus = () => element.querySelector("[data-close]")?.focus({ preventScroll: true });
  watch("value", () => drawer.contains(document.activeElement) || focus());
  focus();
}
