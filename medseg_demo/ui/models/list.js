// The list of checkpoints: headings sort, two menus filter, a name opens its card. What was chosen outlives new values.

const chosen = { column: -1, down: false, task: "", kind: "", name: "" };
const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

function compare(first, second) {
  const [a, b] = [value(first, chosen.column), value(second, chosen.column)];
  const order = a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : a.localeCompare(b);
  return chosen.down ? -order : order;
}

function arrange() {
  const body = element.querySelector("tbody");
  if (!body) return;
  const rows = Array.from(body.rows);
  if (chosen.column >= 0) rows.sort(compare).forEach((row) => body.append(row));
  for (const menu of element.querySelectorAll("select")) {
    menu.value = chosen[menu.name];
    if (menu.selectedIndex < 0) menu.value = chosen[menu.name] = "";
  }
  for (const row of rows) {
    row.hidden = (chosen.task && row.dataset.task !== chosen.task) || (chosen.kind && row.dataset.kind !== chosen.kind);
    const isOpen = row.dataset.name === chosen.name;
    row.classList.toggle("mm-open", isOpen);
    row.querySelector("button").setAttribute("aria-pressed", String(isOpen));
  }
  element.querySelector(".mm-none").hidden = rows.some((row) => !row.hidden);
  element.querySelectorAll("thead th").forEach((head, column) => {
    if (column === chosen.column) head.setAttribute("aria-sort", chosen.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

element.addEventListener("click", (event) => {
  const head = event.target.closest("thead button");
  const row = event.target.closest("tbody tr");
  if (head) {
    const column = head.closest("th").cellIndex;
    chosen.down = column === chosen.column && !chosen.down;
    chosen.column = column;
  } else if (row) {
    chosen.name = row.dataset.name;
    trigger("select", { name: chosen.name });
  } else return;
  arrange();
});

element.addEventListener("change", (event) => {
  if (event.target.name in chosen) chosen[event.target.name] = event.target.value;
  arrange();
});

function shown() {
  const open = element.querySelector("[data-open]")?.dataset.open;
  if (open !== undefined) chosen.name = open;
  arrange();
}

watch("value", shown);
shown();
