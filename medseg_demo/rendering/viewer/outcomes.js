// How true and false positives and negatives look: each has a colour and a pattern, so that colour alone never tells.

const OUTCOMES = [
  { outcome: 1, name: "True positive", colour: [0, 158, 115], pattern: ["."] },
  { outcome: 2, name: "False positive", colour: [213, 94, 0], pattern: ["##....##", "#....###", "....###.", "...###..", "..###...", ".###....", "###....#", "##....##"] },
  { outcome: 3, name: "False negative", colour: [86, 180, 233], pattern: ["........", "..###...", ".#####..", ".#####..", ".#####..", "..###...", "........", "........"] },
  { outcome: 4, name: "Other class", colour: [240, 228, 66], pattern: ["####....", "####....", "####....", "####....", "....####", "....####", "....####", "....####"] },
];

// 8 × 8 pixels: opaque where the pattern is, half clear elsewhere. A plain tile is a little stronger.
function patternTile({ colour, pattern }) {
  const rest = packColour(colour, pattern.length === 1 ? 185 : 115);
  const mark = packColour(colour);
  return Uint32Array.from({ length: 64 }, (_, i) => {
    const row = pattern[(i >> 3) % pattern.length];
    return row[(i & 7) % row.length] === "#" ? mark : rest;
  });
}

const OUTCOME_TILES = [null, ...OUTCOMES.map(patternTile)];

// The pattern is as fine on the stage at every zoom.
function paintOutcomes(outcomes, camera, ratio, canvas) {
  const columns = stagePixels(camera.stage.width, ratio);
  const rows = stagePixels(camera.stage.height, ratio);
  const { sampled } = sampleLabels(outcomes, camera, ratio, columns, rows, 0);
  const fine = ratio < 1.5 ? 0 : 1;
  return paint(columns, rows, (out) => {
    for (let y = 0, i = 0; y < rows; y += 1) {
      const row = ((y >> fine) & 7) << 3;
      for (let x = 0; x < columns; x += 1, i += 1) {
        if (sampled[i]) out[i] = OUTCOME_TILES[sampled[i]][row | ((x >> fine) & 7)];
      }
    }
  }, canvas);
}

function outcomeSwatch(outcome) {
  const swatch = paint(24, 16, (out) => {
    for (let i = 0; i < out.length; i += 1) out[i] = OUTCOME_TILES[outcome][((Math.floor(i / 24) & 7) << 3) | (i % 24 & 7)];
  });
  swatch.setAttribute("aria-hidden", "true");
  return swatch;
}
