// What a label map amounts to, class by class: medseg_demo/segmenting/measure.py in JavaScript, with the same names.

function measure(labels, { maps, width }, image, names) {
  return names.map((name, i) => measureClass(labels, i + 1, name, maps[i], image, width));
}

function measureClass(labels, value, name, map, image, width) {
  const parts = partsOf(labels, width, value);
  const pixels = parts.reduce((sum, part) => sum + part.length, 0);
  const { spacing } = image;
  let sure = 0;
  for (const part of parts) for (const i of part) sure += map[i];
  const largest = parts.reduce((most, part) => (part.length > most.length ? part : most), []);
  return {
    class_name: name,
    label: value,
    pixels,
    share: pixels / labels.length,
    area_mm2: spacing && pixels * spacing[0] * spacing[1],
    volume_ml: null,
    components: parts.length,
    largest_diameter: pixels ? diameter(largest, width, spacing || [1, 1]) : null,
    diameter_unit: spacing ? "mm" : "px",
    mean_confidence: pixels ? sure / pixels : null,
    intensities: pixels ? intensitiesOf(parts, image) : [],
  };
}

function intensitiesOf(parts, { pixels, channels, unit }) {
  const places = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((start, part) => (places.set(part, start), start + part.length), 0);
  return (channels === 1 ? [null] : ["red", "green", "blue"]).map((channel, c) => {
    const values = converted(places, Float64Array, (i) => pixels[i * channels + c]).sort();
    const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
    const spread = values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length;
    const half = values.length / 2;
    const median = (values[Math.ceil(half) - 1] + values[Math.floor(half)]) / 2;
    return { channel, mean, sd: Math.sqrt(spread), median, minimum: values[0], maximum: values.at(-1), unit };
  });
}

// The greatest distance between two pixel centres (maximum Feret diameter), by way of the convex hull.
function diameter(part, width, [down, across]) {
  const ends = new Map();
  for (const i of part) {
    const [y, x] = [Math.floor(i / width), i % width];
    const row = ends.get(y);
    ends.set(y, row ? [Math.min(row[0], x), Math.max(row[1], x)] : [x, x]);
  }
  const points = [...ends].sort(([one], [other]) => one - other).flatMap(([y, [first, last]]) => [[first * across, y * down], [last * across, y * down]]);
  const corners = [...chain(points), ...chain(points.reverse())];
  let most = 0;
  for (const [x, y] of corners) for (const [u, v] of corners) most = Math.max(most, (x - u) ** 2 + (y - v) ** 2);
  return Math.sqrt(most);
}

// One side of the hull of points that are ordered from the top downwards, or upwards (Andrew's monotone chain).
function chain(points) {
  const hull = [];
  for (const [x, y] of points) {
    const turnsLeft = ([a, b], [c, d]) => (c - a) * (y - b) - (d - b) * (x - a) <= 0;
    while (hull.length > 1 && turnsLeft(hull.at(-2), hull.at(-1))) hull.pop();
    hull.push([x, y]);
  }
  return hull;
}
