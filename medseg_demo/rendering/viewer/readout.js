// Words for what lies under the pointer, and for measured distances.

const DIRECTIONS = [["R", "L"], ["A", "P"], ["I", "S"]];

// From a position in the shown picture to indices of the original image.
function originalIndex(value, position) {
  return { x: Math.floor(position.x * value.reduction), y: Math.floor(position.y * value.reduction) };
}

// Millimetres: in the patient where the file says how the image lies in it, else from the top left corner.
function positionInMillimetres(value, index, slice) {
  if (value.affine) {
    return value.affine.slice(0, 3).map((row, axis) => {
      const place = row[0] * index.x + row[1] * index.y + row[2] * slice.index + row[3];
      return `${DIRECTIONS[axis][place < 0 ? 0 : 1]} ${Math.abs(place).toFixed(1)}`;
    }).join("  ") + " mm";
  }
  if (!value.spacing_mm) return null;
  const [sy, sx] = value.spacing_mm.slice(-2);
  return `${(index.x * sx).toFixed(1)}, ${(index.y * sy).toFixed(1)} mm`;
}

function intensityAt(value, slice, i) {
  const { data, channels } = slice.image;
  if (channels === 3) return `RGB ${data[3 * i]} ${data[3 * i + 1]} ${data[3 * i + 2]}`;
  const number = data[i] * value.intensity.scale + value.intensity.offset;
  return `${formatNumber(number, 5)}${value.intensity.unit ? ` ${value.intensity.unit}` : ""}`;
}

function probabilityAt(value, slice, i, label, state) {
  if (!slice.probabilities.length) return null;
  const which = slice.probabilities.length === 1 ? 0 : label ? label - 1 : state.probabilityClass;
  const step = slice.probabilities[which].data[i];
  const name = slice.probabilities.length === 1 || label ? "" : ` (${value.classes[which].name})`;
  return `p ${(step / value.probability_levels).toFixed(3)}${name}`;
}

// [name, text] pairs of what lies at a position of the shown picture; none outside it.
function describePoint(value, state, slice, layers, position) {
  const plane = state.view === "model" ? slice.model : slice.image;
  const x = Math.floor(position.x);
  const y = Math.floor(position.y);
  if (x < 0 || y < 0 || x >= plane.width || y >= plane.height) return [];
  const i = y * plane.width + x;
  if (state.view === "model") {
    const samples = Array.from(plane.data.subarray(i * plane.channels, (i + 1) * plane.channels));
    return [["network pixel", `x ${x}  y ${y}`], ["input", samples.join(" ")]];
  }
  const index = originalIndex(value, { x: x + 0.5, y: y + 0.5 });
  const labels = slice.labels ? layers.labels(value, state, slice) : null;
  const label = labels ? labels[i] : 0;
  const nameOf = (number) => (number ? value.classes[number - 1]?.name ?? `label ${number}` : "background");
  return [
    ["position", `x ${index.x}  y ${index.y}${value.slice_count > 1 ? `  z ${slice.index}` : ""}`],
    ["place", positionInMillimetres(value, index, slice)],
    ["value", intensityAt(value, slice, i)],
    ["label", labels ? nameOf(label) : null],
    ["reference", slice.reference ? `ref. ${nameOf(slice.reference.data[i])}` : null],
    ["probability", probabilityAt(value, slice, i, label, state)],
  ].filter(([, text]) => text !== null);
}

function distanceText(value, state, slice, { from, to }) {
  const known = value.spacing_mm && state.view !== "model";
  const [sy, sx] = known ? value.spacing_mm.slice(-2) : [1, 1];
  const reduction = state.view === "model" ? 1 : value.reduction;
  const length = reduction * Math.hypot((to.x - from.x) * sx, (to.y - from.y) * sy);
  return `${length.toFixed(1)} ${known ? "mm" : "px"}`;
}

// The size of so many pixels of the shown picture: mm² where the spacing is known.
function sizeText(value, pixels) {
  const original = pixels * value.reduction ** 2;
  const about = value.reduction > 1 ? "≈ " : "";
  if (!value.spacing_mm) return `${about}${formatCount(original)} px`;
  const [sy, sx] = value.spacing_mm.slice(-2);
  const square = original * sy * sx;
  return `${about}${square >= 100 ? formatCount(square) : formatNumber(square, 3)} mm²`;
}
