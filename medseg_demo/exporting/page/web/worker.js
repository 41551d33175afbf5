// The worker of the page: reads images and runs networks, so that the page stays alive. Each message has an id, which
// its answer bears: { id, result }, { id, error: { key, values } }, and before it { id, progress: [done, total] }.

const networks = new Map(); // by name: { session, card }
let work = null; // what is on the screen: { image, results: Map(name → what keptOf gives) }
let stopped = 0; // no job up to this one goes on

const DO = {
  start({ wasm }) {
    Object.assign(ort.env.wasm, { wasmBinary: wasm, numThreads: 1, proxy: false });
    ort.env.logLevel = "error";
  },
  async open({ name, bytes, card }) {
    const session = await ort.InferenceSession.create(await inflated(bytes, "gzip", name), { executionProviders: ["wasm"] });
    networks.set(name, { session, card });
  },
  async read({ bytes, file, isPacked, known }) {
    const image = await readImage(isPacked ? await inflated(bytes, "gzip", file) : bytes, file);
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
      if (id <= stopped) throw new Refusal("stopped");
    };
    results.set(name, keptOf(restore(await predict(placed, card, { flips: options.flips, run, progress }), placement)));
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
  return Uint8Array.from(map, (one) => Math.ceil(one * 200));
}

onmessage = async ({ data }) => {
  const { id } = data;
  try {
    postMessage({ id, result: await DO[data.do](data) });
  } catch (error) {
    const isKnown = error instanceof Refusal;
    const lacksMemory = error instanceof RangeError || /memory|allocat/i.test(String(error));
    postMessage({ id, error: isKnown ? { key: error.key, values: error.values } : { key: lacksMemory ? "memory" : "unforeseen", values: { kind: error?.name || "Error" } } });
  }
};
