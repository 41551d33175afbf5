// Changes of a label map as runs [start, length, before, after]: so many voxels from a place on, in the order of the array
// (C order over z, y, x), had one value and get another. They travel and are undone as these, so labels stay exact.

// From a pixel (x, y) of a slice to its place in the array: start + y * down + x * right.
function latticeOf({ planes, shape: [, height, width] }, plane, index) {
  const strides = [height * width, width, 1];
  const { axes: [across, ...axes], size, flips } = planes[plane];
  const [down, right] = axes.map((axis, i) => (flips[i] ? -strides[axis] : strides[axis]));
  const start = axes.reduce((sum, axis, i) => sum + (flips[i] ? (size[i] - 1) * strides[axis] : 0), index * strides[across]);
  return { start, down, right };
}

function voxelOf({ shape: [, height, width] }, place) {
  const rest = place % (height * width);
  return [(place - rest) / (height * width), Math.floor(rest / width), rest % width];
}

// The runs of voxels that all get one value; `before` maps each place to what lay there.
function runsOf(before, after) {
  const runs = [];
  let last = null;
  for (const place of Float64Array.from(before.keys()).sort()) {
    const value = before.get(place);
    if (last && last[0] + last[1] === place && last[2] === value) last[1] += 1;
    else runs.push((last = [place, 1, value, after]));
  }
  return runs;
}

function invertedRuns(runs) {
  return runs.map(([start, length, before, after]) => [start, length, after, before]);
}

// The slices of all planes that the browser holds, to write labels of one prediction into.
class HeldSlices {
  constructor(viewer, prediction) {
    const { value, store, planes } = viewer;
    this.value = value;
    this.prediction = prediction;
    this.written = new Set();
    this.held = Object.keys(value.planes).map((plane) => ({ ...value.planes[plane], slices: new Map() }));
    const shown = Object.values(planes).map((one) => one.slice).filter(Boolean);
    for (const slice of [...store.slices.values(), ...shown]) this.add(slice);
  }

  add(slice) {
    const { slices } = this.held[axisAcross(slice.plane)];
    if (slice.views[this.prediction].labels) slices.set(slice.index, [...(slices.get(slice.index) || []), slice]);
  }

  write(place, label) {
    const voxel = voxelOf(this.value, place);
    for (const { axes: [across, down, right], size, flips, slices } of this.held) {
      const found = slices.get(voxel[across]);
      if (!found) continue;
      const y = flips[0] ? size[0] - 1 - voxel[down] : voxel[down];
      const x = flips[1] ? size[1] - 1 - voxel[right] : voxel[right];
      for (const slice of found) {
        slice.views[this.prediction].labels.data[y * size[1] + x] = label;
        this.written.add(slice);
      }
    }
  }

  writeRuns(runs) {
    for (const [start, length, , after] of runs) for (let place = start; place < start + length; place += 1) this.write(place, after);
  }

  // What is painted from these labels is painted anew; the image below is not.
  finish() {
    for (const slice of this.written) {
      const view = slice.views[this.prediction];
      view.edits = (view.edits || 0) + 1;
    }
    return this.written;
  }
}
