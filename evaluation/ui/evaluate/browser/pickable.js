// HTML whose parts can be picked: one listener for all of them, so that it outlives every new value.

const tell = (key) => document.dispatchEvent(new CustomEvent("medseg-case", { detail: key }));

function close() {
  tell(null);
  trigger("close", {});
}

function answer(target) {
  const data = target.dataset;
  if ("pick" in data) trigger("pick", { pick: JSON.parse(data.pick) });
  else if ("sort" in data) trigger("sort", { column: data.sort });
  else if ("page" in data) trigger("turn_page", { page: Number(data.page) });
  else if ("step" in data) trigger("navigate", { step: Number(data.step) });
  else close();
}

element.addEventListener("click", (event) => {
  const target = event.target.closest("[data-pick], [data-sort], [data-page], [data-step], [data-close]");
  if (target && element.contains(target) && !target.disabled) answer(target);
});

// The head of the drawer answers to keys of the whole drawer, and takes the focus when the drawer opens.
function lead(drawer) {
  const keys = { j: { step: 1 }, k: { step: -1 } };
  drawer.onkeydown = (event) => {
    if (event.key === "Escape" && event.target.closest("#ev-tags")) {
      element.querySelector("[data-close]").focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (event.key === "Escape") close();
    else if (event.key.toLowerCase() === "t") {
      event.preventDefault();
      drawer.querySelector("#ev-tags input")?.focus();
    } else if (keys[event.key.toLowerCase()]) trigger("navigate", keys[event.key.toLowerCase()]);
  };
  const shown = () => {
    tell(JSON.parse(element.querySelector("[data-case]").dataset.case));
    if (!drawer.contains(document.activeElement)) element.querySelector("[data-close]").focus();
  };
  watch("value", shown);
  shown();
}

requestAnimationFrame(() => element.closest("#ev-case-head") && lead(element.closest("#ev-drawer")));
