// The worker of the page: reads images and runs networks, so that the page stays alive. Each message has an id, which
// its answer bears: { id, result }, { id, error: { message, file, isStop } }, and before it { id, progress: [done, total] }.

const networks = new Map(); // by name: { session, card }
let work = null; // what is on the screen: { image, results: Map(name → what keptOf gives) }
let stopped = 0; // no job up to this one goes on

const DO = {
  start({ wasm }) {
    Object.assign(ort.env.wasm, { wasmBinary: wasm, numThreads: 1, proxy: false });
    ort.env.logLevel = "error";
  },
  async open({ name, bytes, card }) {
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    networks.set(name, { session, card });
  },
  async read({ bytes, file, known }) {
    const image = await readImage(bytes, file);
    work = { image: Object.assign(image, known), results: new Map() };
    return image;
  },
  async segment({ id, name, options }) {
    const { session, card } = networks.get(name);
    const { image, results } = work;
    const start = performance.now();
    const { placed, placement } = place(toTensor(image, card), image, card);
    const run = async (tile) => {
      const input = new ort.Tensor("float32", tile.data, [1, tile.channels, tile.height, tile.width]);
      const { logits } = await session.run({ image: input });
      return { ...tile, data: logits.data, channels: card.outputs };
    };
    const progress = async (done, total) => {
      postMessage({ id, progress: [done, total] });
      if (done < total) await new Promise((go) => setTimeout(go)); // a message that says stop is heard meanwhile
      if (id <= stopped) throw new Refusal();
    };
    results.set(name, keptOf(restore(await predict(placed, card, { flips: options.flips, run, progress }), placement), card));
    return { ...decided(name, options), seconds: (performance.now() - start) / 1000, warnings: warningsFor(image, card) };
  },
  decide: ({ name, options }) => decided(name, options),
  stop({ upTo }) {
    stopped = upTo;
  },
};

function decided(name, options) {
  const { card } = networks.get(name);
  const kept = work.results.get(name);
  const labels = decide(kept, options);
  return { labels, steps: kept.maps.map(stepsOf), measurements: measure(labels, kept, work.image, card.class_names) };
}

// Probabilities as the viewer takes them: step s > k exactly where the probability is above k / 200.
function stepsOf(map) {
  return converted(map, Uint8Array, (one) => Math.ceil(one * 200));
}

function unforeseen(error) {
  if (error instanceof RangeError || /memory|allocat/i.test(String(error))) return "The memory of this browser tab does not suffice. Close other tabs, or choose a smaller image.";
  return `Something went wrong that nobody foresaw (${error?.name || "Error"}). Reload the page; report it if it comes again.`;
}

onmessage = async ({ data }) => {
  const { id } = data;
  try {
    postMessage({ id, result: await DO[data.do](data) });
  } catch (error) {
    const isKnown = error instanceof Refusal;
    postMessage({ id, error: { message: isKnown ? error.message : unforeseen(error), file: isKnown ? data.file : null, isStop: id <= stopped } });
  }
};
