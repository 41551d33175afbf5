// Lines over the picture, the crosshair and the rulers: in colours that no class has, cased in black, so that they are
// seen on any tissue and never taken for a segmentation.

// The first four lie at least 25 (CIE76) from all 255 class colours and 30 from each other; the others step in for those
// that a person, or a model card, gave to a class.
const MARK_COLOURS = ["#efffbf", "#d9b2ff", "#ffbfcf", "#ffffff", "#00ffff", "#ff00ff", "#ffff00", "#00ff66", "#b4c4d4", "#ff9d5c"];
const MARKED = [...PLANES, "ruler"];
const LEAST_DISTANCE = 20;

// From sRGB to CIELAB with the white of D65 (IEC 61966-2-1, CIE 15).
function labOf(rgb) {
  const [red, green, blue] = rgb.map((part) => part / 255).map((part) => (part > 0.04045 ? ((part + 0.055) / 1.055) ** 2.4 : part / 12.92));
  const [x, y, z] = [
    (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047,
    0.2126729 * red + 0.7151522 * green + 0.072175 * blue,
    (0.0193339 * red + 0.119192 * green + 0.9503041 * blue) / 1.08883,
  ].map((part) => (part > 216 / 24389 ? Math.cbrt(part) : ((24389 / 27) * part + 16) / 116));
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

// How far a colour lies from the nearest of others: Euclid's distance in CIELAB (CIE76).
function distanceFrom(others, lab) {
  return others.reduce((least, other) => Math.min(least, Math.hypot(...lab.map((part, i) => part - other[i]))), Infinity);
}

// A colour for each plane's line and for the rulers. The usual one, unless a class comes near it: then the farthest.
function chooseMarks(classColours) {
  const classes = classColours.map(labOf);
  const known = MARK_COLOURS.map((colour) => [colour, labOf(rgbOf(colour))]);
  const isFree = ([, lab]) => distanceFrom(classes, lab) >= LEAST_DISTANCE;
  const chosen = known.slice(0, MARKED.length).map((one) => (isFree(one) ? one : null));
  const spare = known.slice(MARKED.length);
  chosen.forEach((one, place) => {
    if (one) return;
    const taken = [...classes, ...chosen.filter(Boolean).map(([, lab]) => lab)];
    spare.sort((a, b) => distanceFrom(taken, b[1]) - distanceFrom(taken, a[1]));
    chosen[place] = spare.shift();
  });
  return Object.fromEntries(MARKED.map((name, place) => [name, chosen[place][0]]));
}

const chosenMarks = new WeakMap();

// Those of the classes as they are now; the list is another one whenever a colour changes.
function markColours({ classes }) {
  if (!chosenMarks.has(classes)) chosenMarks.set(classes, chooseMarks(classes.map(({ colour }) => colour)));
  return chosenMarks.get(classes);
}

// Lines [x0, y0, x1, y1] in the pixels of the page, cased.
function strokeCased({ context, ratio }, lines, colour, width) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.lineCap = "butt";
  for (const [style, wide] of [["rgba(0, 0, 0, 0.7)", width + 2], [colour, width]]) {
    context.lineWidth = wide;
    context.strokeStyle = style;
    context.beginPath();
    for (const [x0, y0, x1, y1] of lines) {
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
    }
    context.stroke();
  }
}

// Where the other two planes cut this one, with room in the middle to see what lies there.
function drawCrosshair(painter, value, state, plane) {
  const { camera } = painter;
  const [, down, right] = value.planes[plane].axes;
  const place = placeOf(value, plane, state.point);
  const at = camera.toStage(place.x, place.y);
  const [x, y] = [Math.round(at.x) + 0.5, Math.round(at.y) + 0.5];
  const { width, height } = camera.stage;
  const colours = markColours(state);
  strokeCased(painter, [[x, 0, x, y - 14], [x, y + 14, x, height]], colours[PLANES[right]], 1);
  strokeCased(painter, [[0, y, x - 14, y], [x + 14, y, width, y]], colours[PLANES[down]], 1);
}
