// The slices that the browser holds, of all planes, and which ones to ask the server for next.

const CACHED_BYTES = 256 * 2 ** 20;
const AHEAD = 8;
const BEHIND = 3;
const BATCH = 4;
const PATIENCE = 10000;

class SliceStore {
  constructor(host) {
    this.host = host;
    this.clear();
  }

  clear() {
    this.slices = new Map();
    this.bytes = 0;
    this.waitingSince = 0;
  }

  get(plane, index) {
    return this.slices.get(`${plane} ${index}`);
  }

  // Whether a slice is here with all channels that are to be seen.
  has(state, plane, index) {
    const slice = this.get(plane, index);
    return Boolean(slice) && shownChannels(state).every((channel) => slice.images[channel]);
  }

  // A slice that was sent; the channels of it that came earlier stay.
  add(slice) {
    const before = this.get(slice.plane, slice.index);
    before?.images.forEach((image, channel) => {
      if (!image || slice.images[channel]) return;
      slice.images[channel] = image;
      slice.bytes += image.data.byteLength;
    });
    this.keep(slice);
  }

  // The slice that was used last lies last. A page without a server keeps all that it came with.
  keep(slice) {
    const key = `${slice.plane} ${slice.index}`;
    this.bytes += slice.bytes - (this.slices.get(key)?.bytes || 0);
    this.slices.delete(key);
    this.slices.set(key, slice);
    while (this.host.offersSlices && this.bytes > CACHED_BYTES && this.slices.size > 3) {
      const [oldest, { bytes }] = this.slices.entries().next().value;
      this.slices.delete(oldest);
      this.bytes -= bytes;
    }
  }

  // Ask for what is missing, one request at a time: what is to be seen now alone, then its neighbours.
  request(value, state, planes, direction) {
    if (!this.host.offersSlices || (this.waitingSince && performance.now() - this.waitingSince < PATIENCE)) return;
    const plane = planes.find((each) => !this.has(state, each, sliceIndex(state, each)));
    const slices = plane ? [sliceIndex(state, plane)] : this.neighbours(value, state, direction);
    if (!slices.length) return;
    this.waitingSince = performance.now();
    const channels = shownChannels(state);
    this.host.emit("change_slice", { plane: plane || state.plane, slice: slices[0], slices, channels, key: value.key });
  }

  // Missing neighbours on the active plane, once so few are left that a person could run out of them.
  neighbours(value, state, direction) {
    const index = sliceIndex(state, state.plane);
    const steps = (count, sign) => Array.from({ length: count }, (_, i) => index + sign * direction * (i + 1));
    const isMissing = (i) => i >= 0 && i < sliceCount(value, state.plane) && !this.has(state, state.plane, i);
    const ahead = steps(AHEAD, 1).filter(isMissing);
    const behind = steps(BEHIND, -1).filter(isMissing);
    const missing = [...ahead.slice(0, BATCH), ...behind];
    return ahead.length >= BATCH || behind.length ? missing.slice(0, BATCH) : [];
  }
}
