// The channels of an image that are no colours (modalities, stains, echoes): which one is looked at, each with its own
// window, or a blend of up to three as red, green and blue.

const BLEND_COLOURS = ["Red", "Green", "Blue"];
const NOT_BLENDED = -1;

function hasChannels(value) {
  return value?.channels.length > 1;
}

// What a state shows of an image's channels at first.
function openChannels({ channels }) {
  return {
    channel: 0, blended: false, window: channels[0].intensity.window, windows: channels.map((one) => one.intensity.window),
    blend: BLEND_COLOURS.map((_, i) => (i < channels.length ? i : NOT_BLENDED)),
  };
}

function shownChannels({ channel, blended, blend }) {
  return blended ? blend.filter((i, place) => i !== NOT_BLENDED && blend.indexOf(i) === place) : [channel];
}

// The window of the channel that is looked at lies in `window`, those of the others in `windows`.
function windowOf(state, channel) {
  return channel === state.channel ? state.window : state.windows[channel];
}

// Which samples of a pixel are red, green and blue where all channels lie together.
function samplesShown({ channel, blended, blend }) {
  return blended ? blend : [channel, channel, channel];
}

function channelTitle({ value, state }) {
  if (!hasChannels(value)) return "";
  return state.blended ? shownChannels(state).map((i) => value.channels[i].name).join(" + ") : value.channels[state.channel].name;
}

// The channels that are to be seen and are not here, in words.
function missingChannels({ value, state }, slice) {
  return shownChannels(state).filter((i) => !slice.images[i]).map((i) => value.channels[i].name).join(", ");
}

// A stored number as an intensity; with no more digits than it has where it only lies near.
function intensityText({ scale, offset, is_exact: isExact }, stored) {
  const number = stored * scale + offset;
  if (isExact) return String(Number(number.toPrecision(9)));
  const places = Math.floor(-Math.log10(scale));
  return `≈ ${Math.abs(places) > 8 ? number.toExponential(3) : number.toFixed(Math.max(places, 0))}`;
}

// Stored numbers to shades of one colour, between the window's ends.
function shadeTable(size, intensity, [low, high]) {
  return Uint8Array.from({ length: size }, (_, i) => {
    const share = (i * intensity.scale + intensity.offset - low) / (high - low || 1);
    return Math.round(255 * Math.min(Math.max(share, 0), 1));
  });
}

function tableSize(plane) {
  return plane.data.BYTES_PER_ELEMENT === 2 ? 65536 : 256;
}

function paintBlend(value, state, slice, canvas) {
  const { width, height } = slice.image;
  return paint(width, height, (out) => {
    out.fill(packColour([0, 0, 0]));
    state.blend.forEach((channel, place) => {
      const plane = slice.images[channel];
      if (!plane) return;
      const table = shadeTable(tableSize(plane), value.channels[channel].intensity, windowOf(state, channel));
      for (let i = 0; i < out.length; i += 1) out[i] |= table[plane.data[i]] << (8 * place);
    });
  }, canvas);
}

// A picture of 8 bits whose channels lie together, such as what a network saw.
function paintSamples(plane, samples, canvas) {
  const { data, channels, width, height } = plane;
  return paint(width, height, (out) => {
    out.fill(packColour([0, 0, 0]));
    samples.forEach((sample, place) => {
      if (sample === NOT_BLENDED) return;
      for (let i = 0, j = sample; i < out.length; i += 1, j += channels) out[i] |= data[j] << (8 * place);
    });
  }, canvas);
}

// The channel after this one or before it; the blend comes after the last.
function stepChannel(viewer, by) {
  const { value, state } = viewer;
  if (!hasChannels(value)) return;
  const count = value.channels.length + 1;
  const place = ((state.blended ? count - 1 : state.channel) + by + count) % count;
  viewer.showChannel(place === count - 1 ? "blend" : place);
}

function createChannelControl(viewer) {
  const count = () => viewer.value.channels.length;
  const select = build("select", {
    "aria-label": "Channel",
    title: "Channel to look at (< and >)",
    onchange: () => viewer.showChannel(select.selectedIndex === count() ? "blend" : select.selectedIndex),
  });
  const blend = BLEND_COLOURS.map((name, place) => createBlendChoice(viewer, name, place));
  const chooser = build("label", { class: "mv-slider" }, build("span", { class: "mv-label" }, "Channel"), select);
  const node = build("div", { class: "mv-row mv-channels" }, chooser, ...blend.map((one) => one.node));
  let listed = null;
  const update = () => {
    const { value, state, slice } = viewer;
    node.hidden = !hasChannels(value) || !slice;
    if (node.hidden) return;
    const names = value.channels.map((one) => one.name);
    if (listed !== value) {
      select.replaceChildren(...[...names, "Colour blend"].map((name) => build("option", {}, name)));
      for (const one of blend) one.list(names);
    }
    listed = value;
    select.selectedIndex = state.blended ? names.length : state.channel;
    node.dataset.blended = String(state.blended);
    for (const one of blend) one.update();
  };
  return { node, update };
}

function createBlendChoice(viewer, name, place) {
  const select = build("select", {
    "aria-label": `${name} of the blend`,
    onchange: () => viewer.set({ blend: viewer.state.blend.map((one, i) => (i === place ? select.selectedIndex - 1 : one)) }),
  });
  const node = build("label", { class: "mv-slider" }, build("span", { class: "mv-label" }, name), select);
  const list = (names) => select.replaceChildren(...["None", ...names].map((one) => build("option", {}, one)));
  const update = () => {
    node.hidden = !viewer.state.blended;
    select.selectedIndex = viewer.state.blend[place] + 1;
  };
  return { node, list, update };
}
