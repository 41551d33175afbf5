// From one region of disagreement to the next: those that came with the value, or else the errors of the visible slice.

function listedRegions(value) {
  return value.regions.map(({ box, at, class_name: name, size }) => ({
    box,
    at: at || box.slice(0, 3).map((start, axis) => Math.floor((start + box[axis + 3] - 1) / 2)),
    words: [name, size].filter(Boolean).join(", "),
  }));
}

// Connected errors of the prediction in front against the reference, largest first.
function errorRegions(viewer) {
  const { value, state, view, layers } = viewer;
  if (!view?.reference || !view.labels) return [];
  return layers.once(`errors ${view.prediction}`, layers.outcomesKey(value, state, view), () =>
    disagreements(layers.outcomes(value, state, view), view.image.width).map((region) => ({
      pixels: region.pixels,
      ...boxAndMiddle(value, view, region),
      words: sizeText(value, view.plane, region.pixels),
    })),
  );
}

// From pixels of a shown slice to voxels.
function boxAndMiddle(value, { plane, index }, { left, top, right, bottom }) {
  const voxel = (x, y) => voxelAt(value, plane, index, { x: x + 0.5, y: y + 0.5 });
  const [first, last] = [voxel(left, top), voxel(right, bottom)];
  const box = [
    ...first.map((place, axis) => Math.min(place, last[axis])),
    ...first.map((place, axis) => Math.max(place, last[axis]) + 1),
  ];
  return { box, at: first.map((place, axis) => Math.floor((place + last[axis]) / 2)) };
}

// The regions to step through, and a key that changes when they do.
function visitOf(viewer) {
  const { value, state, view, layers } = viewer;
  if (value.regions.length) return { key: value.key, regions: listedRegions(value), where: "" };
  const key = view ? layers.outcomesKey(value, state, view) : "";
  return { key, regions: errorRegions(viewer), where: value.is_volume ? " in this slice" : "" };
}

// The region that lies so many steps from the one that was visited before, with the sentence that tells of it.
function stepRegion(viewer, before, step) {
  const { key, regions, where } = visitOf(viewer);
  if (!regions.length) return null;
  const start = before?.key === key ? before.number : step > 0 ? -1 : 0;
  const number = (start + step + regions.length) % regions.length;
  const { at, box, words } = regions[number];
  const place = `x ${at[2]}, y ${at[1]}${viewer.value.is_volume ? `, z ${at[0]}` : ""}`;
  return { key, number, box, at, text: `Region ${number + 1} of ${regions.length}${where}: ${words} at ${place}` };
}
