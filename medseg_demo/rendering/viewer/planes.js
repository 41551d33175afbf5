// The three planes of a volume: from a place in a picture to a voxel [z, y, x] and back. A plane is named after the axis
// of the array that it lies across; how it is turned and flipped, and what it is in the patient, the value says.

const PLANES = ["axial", "coronal", "sagittal"];

function axisAcross(plane) {
  return PLANES.indexOf(plane);
}

// In the order in which they are offered: axial, coronal, sagittal in the patient, else z, y, x in the array.
function orderedPlanes(value) {
  if (!value?.is_volume || !value.affine) return PLANES;
  return [...PLANES].sort((one, other) => value.planes[one].name.localeCompare(value.planes[other].name));
}

function planeName(value, plane) {
  return spoken(value.planes[plane].name);
}

function sliceIndex(state, plane) {
  return state.point[axisAcross(plane)];
}

function sliceCount(value, plane) {
  return value?.planes[plane]?.count || 1;
}

// The voxel at a position of a shown picture; outside the picture its indices are outside the volume.
function voxelAt(value, plane, index, position) {
  const { axes: [across, down, right], size, flips, reduction } = value.planes[plane];
  const place = [position.y, position.x].map((length, i) => {
    const shown = Math.floor(length * reduction);
    return flips[i] ? size[i] - 1 - shown : shown;
  });
  const voxel = [0, 0, 0];
  voxel[across] = index;
  voxel[down] = place[0];
  voxel[right] = place[1];
  return voxel;
}

// The centre of a voxel in the picture of a plane.
function placeOf(value, plane, voxel) {
  const { axes: [, down, right], size, flips, reduction } = value.planes[plane];
  const [y, x] = [down, right].map((axis, i) => ((flips[i] ? size[i] - 1 - voxel[axis] : voxel[axis]) + 0.5) / reduction);
  return { x, y };
}

function isInside(value, voxel) {
  return voxel.every((index, axis) => index >= 0 && index < value.shape[axis]);
}

// A box [z0, y0, x0, z1, y1, x1], ends exclusive, in the picture of a plane: its first and last pixels.
function boxIn(value, plane, box) {
  const first = placeOf(value, plane, box.slice(0, 3));
  const last = placeOf(value, plane, box.slice(3).map((end) => end - 1));
  return {
    left: Math.floor(Math.min(first.x, last.x)), right: Math.floor(Math.max(first.x, last.x)),
    top: Math.floor(Math.min(first.y, last.y)), bottom: Math.floor(Math.max(first.y, last.y)),
  };
}

// [down, right] of one shown pixel: millimetres, or pixels where the spacing is unknown.
function pixelSize(value, plane) {
  const { spacing_mm: spacing, reduction } = value.planes[plane];
  return (spacing || [1, 1]).map((length) => length * reduction);
}
