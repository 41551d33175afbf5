"use strict";
(() => {
const slug = (name) => name.replace(/[^A-Za-z0-9]+/g, "-");
const picked = document.getElementById("picked");

// A click on a point goes to the case where the page holds it, and else says what it is.
function openCase([testSet, checkpoint, caseId, className]) {
  const found = document.getElementById(`case-${slug(testSet)}-${slug(checkpoint)}-${slug(caseId)}`);
  for (const other of document.querySelectorAll(".case.found")) other.classList.remove("found");
  picked.hidden = false;
  picked.textContent = `${caseId} · ${checkpoint}${className ? ` · ${className}` : ""}`;
  if (!found) {
    picked.textContent += ": not among the worst cases, so this file does not hold its picture.";
    return;
  }
  found.classList.add("found");
  found.open = true;
  found.scrollIntoView({ block: "start", behavior: "instant" });
}

for (const stage of document.querySelectorAll(".plot")) {
  const { data, layout } = JSON.parse(stage.nextElementSibling.textContent);
  const modeBarButtons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
  Plotly.newPlot(stage, data, layout, { responsive: true, displaylogo: false, modeBarButtons });
  stage.on("plotly_click", ({ points }) => {
    const pick = points.map((point) => point.customdata).find((parts) => parts?.length === 4 && parts[2]);
    if (pick) openCase(Array.from(pick));
  });
}

const numberOf = (text) => (text === "∞" ? Infinity : text === "n/a" ? NaN : Number(text.replace("−", "-").replaceAll(",", "")));

function sortBy(table, column, up) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => ({ row, text: row.cells[column].textContent }));
  const numeric = rows.some(({ text }) => !Number.isNaN(numberOf(text)) && text !== "");
  rows.sort((a, b) => {
    if (!numeric) return up * a.text.localeCompare(b.text);
    const [x, y] = [numberOf(a.text), numberOf(b.text)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return x === y ? 0 : up * (x < y ? -1 : 1);
  });
  body.append(...rows.map(({ row }) => row));
}

for (const card of document.querySelectorAll(".cases")) {
  const table = card.querySelector("table");
  card.querySelector("input").addEventListener("input", ({ target }) => {
    const wanted = target.value.trim().toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  for (const button of card.querySelectorAll("[data-column]")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const up = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up > 0 ? "ascending" : "descending");
      sortBy(table, Number(button.dataset.column), up);
    });
  }
}
})();
