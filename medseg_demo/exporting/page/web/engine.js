// The page's side of the worker: what it is asked, and what is unpacked for it when it is first needed.

const TOO_OLD = { message: "This browser does not let the page compute: it needs WebAssembly and workers (Chrome 91, Firefox 114, Safari 16.4 or later). Update it, or try another." };

class Engine {
  constructor() {
    this.jobs = new Map();
    this.count = 0;
    this.opened = new Map(); // networks that the worker has, or is being given, by name
  }

  // One question to the worker; `progress` is called with (done, total).
  ask(job, { transfer = [], progress = () => {} } = {}) {
    this.count += 1;
    const id = this.count;
    return new Promise((resolve, reject) => {
      this.jobs.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, ...job }, transfer);
    });
  }

  hear({ id, progress, result, error }) {
    const job = this.jobs.get(id);
    if (!job) return; // the answer to a request to stop
    if (progress) return job.progress(...progress);
    this.jobs.delete(id);
    if (error) job.reject(error);
    else job.resolve(result);
  }

  // The worker and the runtime of networks, both once.
  start() {
    this.started ??= this.launch();
    return this.started;
  }

  async launch() {
    try {
      const [script, wasm] = await Promise.all([textIn("worker"), gunzip(bytesIn("wasm"))]);
      this.worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
      this.worker.onmessage = ({ data }) => this.hear(data);
      this.worker.onerror = () => this.fail();
      await this.ask({ do: "start", wasm }, { transfer: [wasm.buffer] });
    } catch {
      throw TOO_OLD;
    }
  }

  // The worker did not even begin: its script, or WebAssembly, is refused here.
  fail() {
    for (const { reject } of this.jobs.values()) reject(TOO_OLD);
    this.jobs.clear();
  }

  open(network) {
    if (!this.opened.has(network.name)) {
      const { name, card } = network;
      const give = (bytes) => this.ask({ do: "open", name, bytes, card }, { transfer: [bytes.buffer] });
      this.opened.set(name, gunzip(bytesIn(network.element)).then(give));
    }
    return this.opened.get(network.name);
  }

  stop() {
    this.worker?.postMessage({ id: 0, do: "stop", upTo: this.count });
  }
}

// What lies in the page as base64, in a script element that the browser does not run.
function bytesIn(element) {
  const text = document.getElementById(`medseg-data-${element}`).textContent;
  return Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : bytesOf(text);
}

async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function textIn(element) {
  return new TextDecoder().decode(await gunzip(bytesIn(element)));
}
