// What the page and its worker both do with many numbers.

function extremes(pixels) {
  let [low, high] = [pixels[0], pixels[0]];
  for (let i = 1; i < pixels.length; i += 1) {
    if (pixels[i] < low) low = pixels[i];
    if (pixels[i] > high) high = pixels[i];
  }
  return [low, high];
}

// A typed array of another kind, value by value; the browser's own `from` takes many times as long.
function converted(values, Kind, change) {
  const result = new Kind(values.length);
  for (let i = 0; i < values.length; i += 1) result[i] = change(values[i], i);
  return result;
}

// As Python and NumPy round: halves to the even number.
function roundHalfEven(value) {
  const whole = Math.round(value);
  return Math.abs(value % 1) === 0.5 && whole % 2 ? whole - 1 : whole;
}
