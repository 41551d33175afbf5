// The page: an image comes in, the chosen networks run, the viewer shows what they say.

class App {
  constructor(root) {
    this.root = root;
    this.engine = new Engine();
    this.image = null; // as the worker read it
    this.results = []; // one for each chosen network: { network, threshold, labels, steps, measurements, seconds, warnings }
    this.sample = null;
    this.options = { flips: false, smallest: 0, fill: false };
    this.thresholds = new Map(); // that a person moved, by network
    this.chosen = [PAGE.networks[0], null];
    this.count = 0;
    this.status = null; // { text, kind, done, total } of what goes on or went wrong
    this.host = build("div", { class: "mv-host" });
    this.render();
    attachDrops(root, (file) => this.open(file));
    if (PAGE.samples.length) this.openSample(PAGE.samples[0]);
  }

  // Everything anew, in the language that the page is now in.
  render() {
    const hadFocus = document.activeElement?.id;
    this.viewer = new Viewer(this.host, { emit: (name, data) => name === "threshold" && this.decideAgain(data), offersSlices: false });
    this.host.viewer = this.viewer;
    this.parts = buildParts(this);
    this.root.replaceChildren(this.parts.head, this.parts.controls, this.parts.status, this.host, this.parts.results, this.parts.about);
    if (this.image) this.show();
    this.update();
    if (hadFocus) document.getElementById(hadFocus)?.focus();
  }

  update() {
    for (const part of Object.values(this.parts)) part.update?.();
    this.host.hidden = !this.image;
    this.root.setAttribute("aria-busy", String(this.isBusy));
  }

  tell(text, more = {}) {
    this.status = text && { text, ...more };
    this.update();
  }

  // Do one thing after the other; what is begun anew ends what was before.
  async run(work) {
    this.count += 1;
    const turn = this.count;
    this.engine.stop();
    this.isBusy = true;
    this.tell("Starting the runtime that computes networks …");
    try {
      await this.engine.start();
      await this.before;
      if (turn !== this.count) return;
      this.before = work(() => turn === this.count);
      await this.before;
      if (turn === this.count) this.finish();
    } catch (error) {
      if (turn === this.count) this.finish(error);
    }
  }

  finish(error) {
    this.before = null;
    this.isBusy = false;
    if (error?.isStop) this.tell("Stopped. The result before it is still shown.");
    else this.tell(error?.message || null, { file: error?.file, isAlarm: true });
  }

  open(file) {
    const unreadable = { file: file.name, message: "the browser cannot open it: it may be a folder, have been moved, or be too large. Choose it again." };
    return this.read(null, async () => ({ bytes: new Uint8Array(await file.arrayBuffer().catch(() => Promise.reject(unreadable))), file: file.name }));
  }

  openSample(sample) {
    const suits = (network) => !network || sample.networks.includes(network.name);
    if (!suits(this.chosen[0])) this.chosen[0] = PAGE.networks.find(suits) || this.chosen[0];
    if (!suits(this.chosen[1]) || this.chosen[1] === this.chosen[0]) this.chosen[1] = null;
    return this.read(sample, async () => ({ bytes: await gunzip(bytesIn(sample.element)), file: sample.file, known: sample.known }));
  }

  read(sample, fetch) {
    return this.run(async (isCurrent) => {
      this.tell("Reading the image …");
      const job = await fetch();
      const image = await this.engine.ask({ do: "read", ...job }, { transfer: [job.bytes.buffer] });
      if (!isCurrent()) return;
      Object.assign(this, { image, sample, results: [], imageKey: `image-${this.count}` });
      this.thresholds.clear();
      this.show();
      await this.segment(isCurrent);
    });
  }

  choose(place, name) {
    this.chosen[place] = PAGE.networks.find((one) => one.name === name) || null;
    if (this.chosen[0] === this.chosen[1]) this.chosen[1] = null;
    this.again();
  }

  set(changes) {
    Object.assign(this.options, changes);
    this.again();
  }

  again() {
    if (this.image) this.run((isCurrent) => this.segment(isCurrent));
    else this.update();
  }

  async segment(isCurrent) {
    const results = [];
    for (const network of this.chosen.filter(Boolean)) {
      this.tell(`Unpacking ${network.name} …`);
      await this.engine.open(network);
      if (!isCurrent()) return;
      const progress = (done, total) => isCurrent() && this.tell(`Computing ${network.name}: tile ${done} of ${total}`, { done, total });
      progress(0, 1);
      const options = this.optionsOf(network);
      const result = await this.engine.ask({ do: "segment", name: network.name, options }, { progress });
      if (!isCurrent()) return;
      results.push({ network, ...result, threshold: options.threshold });
    }
    this.results = results;
    this.show();
  }

  optionsOf(network) {
    const threshold = !network.card.takes_threshold ? null : this.thresholds.get(network.name) ?? network.card.threshold ?? 0.5;
    return { ...this.options, threshold };
  }

  // A threshold that was let go: the masks, figures and files follow, and no network runs.
  async decideAgain({ prediction, value, key }) {
    const result = this.results[prediction];
    if (!result || this.isBusy || key !== this.viewer.value?.key || value <= 0 || value >= 1) return;
    this.thresholds.set(result.network.name, value);
    const options = this.optionsOf(result.network);
    const decided = await this.engine.ask({ do: "decide", name: result.network.name, options });
    if (this.results[prediction] !== result) return;
    this.results[prediction] = { ...result, ...decided, threshold: value };
    this.show();
  }

  show() {
    const { image, results, options } = this;
    const title = this.sample ? inLanguage(this.sample.title) : image.name;
    const after = [options.smallest > 1 && `parts under ${options.smallest} px removed`, options.fill && "holes filled"].filter(Boolean).join(", ");
    const names = results.map(({ network }) => network.name).join(", ");
    const { width, height } = image;
    const alternative = names ? `Segmentation by ${names} of an image of ${width} × ${height} pixels: ${title}.` : `Image of ${width} × ${height} pixels: ${title}.`;
    this.viewer.show(shownValue(image, results, { imageKey: this.imageKey, title, alternative, postprocessing: after }));
    this.update();
  }
}

// An image may also be dropped anywhere on the page, or pasted.
function attachDrops(root, open) {
  const take = (event, files) => {
    if (!files?.length) return;
    event.preventDefault();
    open(files[0]);
  };
  const isFile = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  document.addEventListener("dragover", (event) => isFile(event) && (event.preventDefault(), root.classList.add("is-over")));
  document.addEventListener("dragleave", (event) => event.relatedTarget || root.classList.remove("is-over"));
  document.addEventListener("drop", (event) => (root.classList.remove("is-over"), take(event, event.dataTransfer?.files)));
  document.addEventListener("paste", (event) => take(event, event.clipboardData?.files));
}

// Words of what was put into the page: they come translated with it.
function inLanguage(text) {
  return PAGE.words[document.documentElement.lang]?.[text] ?? text;
}

new App(document.getElementById("medseg-page"));
