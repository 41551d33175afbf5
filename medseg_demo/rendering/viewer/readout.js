// Words for what lies under the pointer, and for sizes.

const DIRECTIONS = [["R", "L"], ["A", "P"], ["I", "S"]];

// Millimetres: in the patient where the file says how the image lies in it, else from the first voxel.
function positionInMillimetres(value, [z, y, x]) {
  if (value.affine) {
    return value.affine.slice(0, 3).map((row, axis) => {
      const place = row[0] * x + row[1] * y + row[2] * z + row[3];
      return `${DIRECTIONS[axis][place < 0 ? 0 : 1]} ${Math.abs(place).toFixed(1)}`;
    }).join("  ") + " mm";
  }
  if (!value.spacing_mm) return null;
  const [sy, sx] = value.spacing_mm.slice(-2);
  const depth = value.is_volume ? `, ${(z * value.spacing_mm[0]).toFixed(1)}` : "";
  return `${(x * sx).toFixed(1)}, ${(y * sy).toFixed(1)}${depth} mm`;
}

function intensityAt(value, state, slice, i) {
  const { data, channels } = slice.image;
  if (channels === 3) return `RGB ${data[3 * i]} ${data[3 * i + 1]} ${data[3 * i + 2]}`;
  return shownChannels(state).filter((channel) => slice.images[channel]).map((channel) => {
    const { name, intensity } = value.channels[channel];
    const number = intensityText(intensity, slice.images[channel].data[i]);
    return [hasChannels(value) ? name : "", number, intensity.unit].filter(Boolean).join(" ");
  }).join("  ");
}

function probabilityAt(value, view, i, label, state) {
  if (!view.probabilities.length) return null;
  const single = view.probabilities.length === 1;
  const which = single ? 0 : label ? label - 1 : probabilityIndex(state, view);
  const name = single || label ? "" : ` (${value.classes[which].name})`;
  return `p ${(view.probabilities[which].data[i] / value.probability_levels).toFixed(3)}${name}`;
}

// [name, text] pairs of what lies at a position of a shown slice; none outside it. `predictions` are those to name.
function describePoint(viewer, slice, position, predictions) {
  const { value, state } = viewer;
  const network = state.view === "model" && slice.model;
  const plane = network || slice.image;
  const x = Math.floor(position.x);
  const y = Math.floor(position.y);
  if (x < 0 || y < 0 || x >= plane.width || y >= plane.height) return [];
  const i = y * plane.width + x;
  if (network) {
    const samples = Array.from(plane.data.subarray(i * plane.channels, (i + 1) * plane.channels));
    return [["network pixel", `x ${x}  y ${y}`], ["input", samples.join(" ")]];
  }
  const voxel = voxelAt(value, slice.plane, slice.index, { x: x + 0.5, y: y + 0.5 });
  const nameOf = (number) => (number ? value.classes[number - 1]?.name ?? spoken(`label ${number}`) : spoken("background"));
  const layers = viewer.planes[slice.plane].layers;
  const several = value.predictions.length > 1;
  const said = predictions.flatMap((index) => {
    const view = slice.views[index];
    const labels = view.labels ? layers.labels(value, state, view) : null;
    const texts = [["label", labels ? nameOf(labels[i]) : null], ["probability", probabilityAt(value, view, i, labels?.[i], state)], ["heat map", heatAt(value, view, i)]];
    if (!several) return texts;
    const text = texts.map(([, one]) => one).filter((one) => one !== null).join(" ");
    return [[`label of ${value.predictions[index].name}`, text ? `${shortened(value.predictions[index].name)}: ${text}` : null]];
  });
  const reference = ["reference", slice.reference ? spoken(`ref. ${nameOf(slice.reference.data[i])}`) : null];
  return [
    ["position", `x ${voxel[2]}  y ${voxel[1]}${value.is_volume ? `  z ${voxel[0]}` : ""}`],
    ["place", positionInMillimetres(value, voxel)],
    ["value", intensityAt(value, state, slice, i)],
    ...(several ? [reference, ...said] : [said[0], reference, ...said.slice(1)]),
  ].filter(([, text]) => text !== null);
}

// The size of so many pixels of a shown slice: mm² where the spacing is known.
function sizeText(value, plane, pixels) {
  const about = value.planes[plane].reduction > 1 ? "≈ " : "";
  const [sy, sx] = pixelSize(value, plane);
  const size = pixels * sy * sx;
  if (!value.spacing_mm) return `${about}${formatCount(size)} px`;
  return `${about}${size >= 100 ? formatCount(size) : formatNumber(size, 3)} mm²`;
}
