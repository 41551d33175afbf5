// Tiles of 8 × 8 pixels for areas that a colour alone must not tell apart: opaque where the pattern has a "#", else half
// clear. A tile of one dot is plain, and a little stronger.

const PATTERNS = {
  plain: ["."],
  stripes: ["##....##", "#....###", "....###.", "...###..", "..###...", ".###....", "###....#", "##....##"],
  dots: ["........", "..###...", ".#####..", ".#####..", ".#####..", "..###...", "........", "........"],
  checks: ["####....", "####....", "####....", "####....", "....####", "....####", "....####", "....####"],
  lines: ["########", "########", "........", "........", "........", "........", "........", "........"],
  crosses: ["#......#", ".#....#.", "..#..#..", "...##...", "...##...", "..#..#..", ".#....#.", "#......#"],
  bars: ["##......", "##......", "##......", "##......", "##......", "##......", "##......", "##......"],
};

// All tiles of a legend in one array, 64 colours a category; category 0 stays clear.
function patternTiles(categories) {
  const tiles = new Uint32Array(64 * (categories.length + 1));
  categories.forEach(({ colour, pattern }, i) => {
    const rows = PATTERNS[pattern];
    const rest = packColour(colour, pattern === "plain" ? 185 : 115);
    const mark = packColour(colour);
    for (let j = 0; j < 64; j += 1) {
      const row = rows[(j >> 3) % rows.length];
      tiles[64 * (i + 1) + j] = row[(j & 7) % row.length] === "#" ? mark : rest;
    }
  });
  return tiles;
}

// The stage's own pixels, so the pattern is as fine at every zoom.
function paintPatterns(categories, tiles, camera, ratio, canvas) {
  const columns = stagePixels(camera.stage.width, ratio);
  const rows = stagePixels(camera.stage.height, ratio);
  const source = sourcePixels(camera, ratio, columns, rows);
  const fine = ratio < 1.5 ? 0 : 1;
  const { width } = camera.picture;
  return paint(columns, rows, (out) => {
    for (let y = source.top; y < source.bottom; y += 1) {
      const start = source.y[y] * width;
      const row = ((y >> fine) & 7) << 3;
      const line = y * columns;
      for (let x = source.left; x < source.right; x += 1) {
        const category = categories[start + source.x[x]];
        if (category) out[line + x] = tiles[(category << 6) | row | ((x >> fine) & 7)];
      }
    }
  }, canvas);
}

function patternSwatch(tiles, category) {
  const swatch = paint(24, 16, (out) => {
    for (let i = 0; i < out.length; i += 1) out[i] = tiles[(category << 6) | ((Math.floor(i / 24) & 7) << 3) | (i % 24 & 7)];
  });
  swatch.setAttribute("aria-hidden", "true");
  return swatch;
}

// A list of categories with swatch, name and sizes. `update` takes the pixels of each category, once or several times.
function patternLegend(categories, tiles, label) {
  const node = build("ul", { class: "mv-outcomes", "aria-label": label });
  const rows = categories.map(({ name }, i) => {
    const size = build("span", { class: "mv-number" });
    const word = build("span", {});
    setName(word, spoken(name));
    const row = build("li", {}, patternSwatch(tiles, i + 1), word, size);
    node.append(row);
    return { size, row };
  });
  const update = (value, plane, counts) => {
    rows.forEach(({ size }, i) => {
      setText(size, counts.map((found) => sizeText(value, plane, found[i + 1])).join("  |  "));
    });
  };
  return { node, rows, update };
}

function countCategories(categories) {
  const sums = new Int32Array(256);
  for (let i = 0; i < categories.length; i += 1) sums[categories[i]] += 1;
  return sums;
}
