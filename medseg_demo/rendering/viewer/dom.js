// Small builders of elements. Text always goes in as text, so a file's name can never become markup.

// The page may be in another language; then it has put there what translates.
const spoken = globalThis.medsegSay || ((text) => text);
const SPOKEN_ATTRIBUTES = ["title", "aria-label", "aria-valuetext", "placeholder"];

function build(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) setSpoken(node, name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined).map(spoken));
  return node;
}

function setSpoken(node, name, text) {
  node.setAttribute(name, SPOKEN_ATTRIBUTES.includes(name) ? spoken(text) : text);
}

function setText(node, text) {
  const said = spoken(text);
  if (node.textContent !== said) node.textContent = said;
}

// Letters at the end of a long name that are always seen: names of networks start alike. ui/markup.py does the same.
const TAIL = 10;

// A name that ends in the middle where there is no room for it. What is seen are the style's pictures of head and tail;
// the text itself stays whole, for its title, for screen readers, and for who copies it.
function setName(node, text) {
  if (node.title === text && node.textContent === text) return;
  const cut = text.length > TAIL + 3 ? -TAIL : text.length;
  node.title = text;
  node.classList.add("mv-middle");
  Object.assign(node.dataset, { head: text.slice(0, cut), tail: cut < 0 ? text.slice(cut) : "" });
  const whole = build("span");
  whole.textContent = text;
  node.replaceChildren(whole);
}

// The same for what holds plain text only, such as the options of a menu: so many letters at most.
function shortened(text, most = 24) {
  return text.length > most ? `${text.slice(0, most - TAIL - 1)}…${text.slice(-TAIL)}` : text;
}

function nameOption(text) {
  return build("option", { title: text, "aria-label": text }, shortened(text));
}

const ICON_PATHS = {
  pan: "M10 2.5v15M2.5 10h15M7.8 4.7 10 2.5l2.2 2.2M7.8 15.3l2.2 2.2 2.2-2.2M4.7 7.8 2.5 10l2.2 2.2M15.3 7.8l2.2 2.2-2.2 2.2",
  point: "M10 2v6M10 12v6M2 10h6M12 10h6M10 10h.01",
  play: "M6.5 4.5v11l9-5.5Z",
  window: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM10 3v14M10 6h5.7M10 10h7M10 14h5.7",
  crop: "M5.5 1.5v13h13M1.5 5.5h13v13",
  ruler: "M2.5 13.2 13.2 2.5l4.3 4.3L6.8 17.5ZM5.5 10.2l1.6 1.6M8 7.7l2.4 2.4M10.5 5.2l1.6 1.6",
  zoomOut: "M4.5 10h11",
  zoomIn: "M10 4.5v11M4.5 10h11",
  fit: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4M7 8h6v4H7Z",
  fullScreen: "M12 3h5v5M17 3l-5.5 5.5M8 17H3v-5M3 17l5.5-5.5",
  keys: "M2.5 5.5h15v9h-15ZM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M6.5 11.7h7",
  reset: "M4 10a6 6 0 1 0 1.8-4.3M4 3v3.4h3.4",
  brush: "M17 3 9.5 10.5M8 11.2c1.5.2 2.2 1.1 2 2.6-.3 2.2-2.6 3.2-6.5 2.7 1.4-.9 1.3-1.7 1.5-3C5.2 12 6.4 11 8 11.2Z",
  eraser: "M12 3.5 16.5 8 9 15.5H6.5l-3-3ZM7.8 7.7l4.5 4.5M9 15.5h8",
  polygon: "M4 7.5 11 3l6 6-4 8H5ZM4 7.5v.01M11 3v.01M17 9v.01M13 17v.01M5 17v.01",
  lasso: "M10 3.5c4 0 7 1.8 7 4.5s-3 4.5-7 4.5S3 10.7 3 8s3-4.5 7-4.5ZM6 12c-1.5.8-1.5 2.8 0 3s2 1 1 2",
  fill: "M4 10.5 10.5 4l5.5 5.5L9.5 16ZM4 10.5h11M8.5 2l2 2M17.5 13c1 1.5 1 3 0 3s-1-1.5 0-3Z",
  click: "M8 8l9 3.4-4 1.6-1.6 4ZM4.5 4.5 6 6M8 2.5v2M2.5 8h2",
  lock: "M5 9h10v8H5ZM7 9V6.5a3 3 0 0 1 6 0V9",
  redo: "M16 10a6 6 0 1 1-1.8-4.3M16 3v3.4h-3.4",
  close: "M5 5l10 10M15 5 5 15",
  next: "M7.5 4.5 13 10l-5.5 5.5",
  previous: "M12.5 4.5 7 10l5.5 5.5",
};

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICON_PATHS[name]);
  svg.append(path);
  return svg;
}

function iconButton(name, label, onclick) {
  return build("button", { type: "button", class: "mv-icon", title: label, "aria-label": label, onclick }, icon(name));
}

// Buttons of which one is pressed. `choose` gets the chosen value; `update` shows a value, and which are on offer.
function segmented(label, choices, choose) {
  const buttons = new Map();
  const group = build("div", { class: "mv-segmented", role: "group", "aria-label": label });
  for (const [value, text, title] of choices) {
    const button = build("button", { type: "button", title, onclick: () => choose(value) }, text);
    buttons.set(value, button);
    group.append(button);
  }
  const update = (current, offered = [...buttons.keys()]) => {
    for (const [value, button] of buttons) {
      button.setAttribute("aria-pressed", String(value === current));
      button.hidden = !offered.includes(value);
    }
    group.hidden = offered.length < 2;
  };
  const rename = (value, text) => {
    setText(buttons.get(value), text);
  };
  return { node: group, update, rename };
}

// A labelled range input with its value in words beside it.
function slider(label, attributes, onchange) {
  const input = build("input", { type: "range", "aria-label": label, ...attributes });
  const shown = build("span", { class: "mv-number" });
  const name = build("span", { class: "mv-label" }, label);
  const node = build("label", { class: "mv-slider" }, name, input, shown);
  input.addEventListener("input", () => onchange(Number(input.value)));
  const update = (value, text) => {
    input.value = String(value);
    setSpoken(input, "aria-valuetext", text);
    input.style.setProperty("--mv-filled", `${(100 * (input.value - input.min)) / (input.max - input.min || 1)}%`);
    setText(shown, text);
  };
  const rename = (text) => {
    setText(name, text);
    setSpoken(input, "aria-label", text);
  };
  // One of several sliders of the same kind: seen by the name of what it belongs to, read out with both.
  const nameAfter = (owner) => {
    setName(name, owner);
    setSpoken(input, "aria-label", `${label} of ${owner}`);
  };
  return { node, input, update, rename, nameAfter };
}

function formatCount(number) {
  return Math.round(number).toLocaleString("en-GB").replaceAll(",", "\u202f");
}

function formatNumber(number, digits = 4) {
  if (!Number.isFinite(number)) return "n/a";
  return Number(number.toPrecision(digits)).toLocaleString("en-GB", { maximumFractionDigits: 6, useGrouping: false });
}
