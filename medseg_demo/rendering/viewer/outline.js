// Outlines are found on the stage's own pixels, so that they stay two pixels wide at every zoom.

function stagePixels(length, ratio) {
  return Math.max(1, Math.round(length * ratio));
}

// The label under each pixel of the stage, with a border of zeros.
function sampleLabels(labels, camera, ratio, columns, rows, border) {
  const { width, height } = camera.picture;
  const stride = columns + 2 * border;
  const sampled = new Uint8Array(stride * (rows + 2 * border));
  const sourceX = new Int32Array(columns);
  for (let x = 0; x < columns; x += 1) {
    const source = Math.floor(((x + 0.5) / ratio - camera.x) / camera.scaleX);
    sourceX[x] = source >= 0 && source < width ? source : -1;
  }
  let before = -1;
  for (let y = 0; y < rows; y += 1) {
    const source = Math.floor(((y + 0.5) / ratio - camera.y) / camera.scaleY);
    if (source < 0 || source >= height) continue;
    const start = (y + border) * stride + border;
    if (source === before) sampled.copyWithin(start, start - stride, start - stride + columns);
    else {
      const row = source * width;
      for (let x = 0; x < columns; x += 1) if (sourceX[x] >= 0) sampled[start + x] = labels[row + sourceX[x]];
    }
    before = source;
  }
  return { sampled, stride };
}

// Colours those pixels of a label that have another label within `border` pixels across or down.
function paintOutline(labels, camera, ratio, table, canvas) {
  const columns = stagePixels(camera.stage.width, ratio);
  const rows = stagePixels(camera.stage.height, ratio);
  const border = Math.max(1, Math.round(2 * ratio));
  const { sampled, stride } = sampleLabels(labels, camera, ratio, columns, rows, border);
  return paint(columns, rows, (out) => {
    for (let y = 0; y < rows; y += 1) {
      let i = (y + border) * stride + border;
      for (let x = 0; x < columns; x += 1, i += 1) {
        const label = sampled[i];
        if (!label) continue;
        const inside =
          sampled[i - border] === label && sampled[i + border] === label &&
          sampled[i - border * stride] === label && sampled[i + border * stride] === label;
        if (!inside) out[y * columns + x] = table[label];
      }
    }
  }, canvas);
}
