// Outlines are found on the stage's own pixels, so that they stay two pixels wide at every zoom.

function stagePixels(length, ratio) {
  return Math.max(1, Math.round(length * ratio));
}

// For each column and row of the stage the picture's column and row below it, and which of them meet the picture.
function sourcePixels(camera, ratio, columns, rows) {
  const along = (count, offset, scale, length) => {
    const source = new Int32Array(count);
    let first = count;
    let end = 0;
    for (let i = 0; i < count; i += 1) {
      source[i] = Math.floor(((i + 0.5) / ratio - offset) / scale);
      if (source[i] < 0 || source[i] >= length) continue;
      first = Math.min(first, i);
      end = i + 1;
    }
    return [source, first, end];
  };
  const [x, left, right] = along(columns, camera.x, camera.scaleX, camera.picture.width);
  const [y, top, bottom] = along(rows, camera.y, camera.scaleY, camera.picture.height);
  return { x, y, left, right, top, bottom };
}

let sampledBuffer = new Uint8Array(0);

// The label under each pixel of the stage, with a border of zeros. The buffer is used again by the next call.
function sampleLabels(labels, camera, ratio, columns, rows, border) {
  const source = sourcePixels(camera, ratio, columns, rows);
  const stride = columns + 2 * border;
  const size = stride * (rows + 2 * border);
  if (sampledBuffer.length < size) sampledBuffer = new Uint8Array(size);
  else sampledBuffer.fill(0, 0, size);
  const sampled = sampledBuffer;
  const { width } = camera.picture;
  for (let y = source.top; y < source.bottom; y += 1) {
    const start = (y + border) * stride + border;
    if (y > source.top && source.y[y] === source.y[y - 1]) {
      sampled.copyWithin(start, start - stride, start - stride + columns);
      continue;
    }
    const row = source.y[y] * width;
    for (let x = source.left; x < source.right; x += 1) sampled[start + x] = labels[row + source.x[x]];
  }
  return { sampled, stride, ...source };
}

// Colours those pixels of a label that have another label within `border` pixels across or down.
function paintOutline(labels, camera, ratio, table, canvas) {
  const columns = stagePixels(camera.stage.width, ratio);
  const rows = stagePixels(camera.stage.height, ratio);
  const border = Math.max(1, Math.round(2 * ratio));
  const { sampled, stride, left, right, top, bottom } = sampleLabels(labels, camera, ratio, columns, rows, border);
  return paint(columns, rows, (out) => {
    for (let y = top; y < bottom; y += 1) {
      let i = (y + border) * stride + border + left;
      for (let x = left; x < right; x += 1, i += 1) {
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
