// Steps on their way to the server: numbered, kept until they are acknowledged, sent again with the same numbers where no
// answer comes. The server takes each number once, so that nothing is lost or done twice.

const RESEND_MS = 4000;
const LONGEST_PAUSE_MS = 30000;
const ANSWER_MS = 30000;
const SETTLED_MS = 800;
const MOST_SENT = 50000; // runs of one message
const MOST_LOGGED = 1000000;

class EditSync {
  constructor(viewer, editor) {
    this.viewer = viewer;
    this.editor = editor;
    this.asks = 0;
    this.isUntold = false; // whether the page was not yet told of the last edits
    window.addEventListener("online", () => this.send(true));
    window.addEventListener("beforeunload", (event) => {
      if (this.isUnsaved && viewer.root.isConnected) event.preventDefault();
    });
    this.open(null);
  }

  open(value) {
    for (const timer of [this.timer, this.patience, this.settling]) clearTimeout(timer);
    this.key = value?.key;
    this.revision = value?.editing?.revision || 0;
    this.saved = value?.editing?.saved || 0;
    this.next = this.revision + 1;
    this.waiting = [];
    this.log = []; // of this value: slices that come later may be older than these steps
    this.logged = 0; // runs in it
    this.wish = null;
    this.sent = false;
    this.pause = RESEND_MS;
    if (value && (this.revision || this.isUntold)) this.settle(); // what is shown beside may not have followed the value before
  }

  get isUnsaved() {
    return this.next - 1 > this.saved;
  }

  // Whether a step was sent more than once without an answer.
  get isLost() {
    return this.waiting.length > 0 && this.pause > RESEND_MS;
  }

  add(kind, runs) {
    const step = { number: this.next, kind, runs };
    this.next += 1;
    this.isUntold = true;
    this.waiting.push(step);
    this.log.push(step);
    this.logged += runs.length;
    // A slice is on its way for seconds, so that what was acknowledged long ago may go.
    while (this.logged > MOST_LOGGED && this.log[0].number <= this.revision) this.logged -= this.log.shift().runs.length;
    this.send();
  }

  send(again = false) {
    if (!this.waiting.length || (this.sent && !again)) return;
    let [runs, count] = [0, 0];
    while (count < this.waiting.length && (!count || runs + this.waiting[count].runs.length <= MOST_SENT)) {
      runs += this.waiting[count].runs.length;
      count += 1;
    }
    this.sent = true;
    clearTimeout(this.timer);
    clearTimeout(this.settling);
    this.timer = setTimeout(() => {
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
      this.send(true);
      this.viewer.redraw();
    }, this.pause);
    this.viewer.host.emit("edit", { key: this.key, steps: this.waiting.slice(0, count) });
  }

  // Have the server work something out on what it holds; its answer comes as runs. All steps go there before.
  ask(name, data) {
    this.asks += 1;
    this.wish = { name, data: { ...data, key: this.key, asked: this.asks }, emitted: false };
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      this.wish = null;
      this.editor.say("The server did not answer. Try again.");
    }, ANSWER_MS);
    this.goOn();
  }

  goOn() {
    if (this.waiting.length) return this.send();
    if (this.wish && !this.wish.emitted) {
      this.wish.emitted = true;
      this.viewer.host.emit(this.wish.name, this.wish.data);
    }
  }

  hear(answer) {
    if (answer.key !== this.key) return;
    const acknowledged = answer.revision > this.revision;
    this.revision = Math.max(this.revision, answer.revision);
    this.saved = Math.max(this.saved, answer.saved);
    this.waiting = this.waiting.filter((step) => step.number > this.revision);
    clearTimeout(this.timer);
    Object.assign(this, { sent: false, pause: RESEND_MS });
    if (answer.reload) return;
    if (this.wish && answer.asked === this.wish.data.asked) {
      clearTimeout(this.patience);
      this.wish = null;
      if (answer.runs.length) this.editor.accept(answer.kind, answer.runs);
      this.editor.clicker.goOn();
    }
    this.goOn();
    if (acknowledged && !this.waiting.length) this.settle();
  }

  // Tells the page once, after the last of several steps, that what is shown beside the viewer may follow.
  settle() {
    clearTimeout(this.settling);
    const { key } = this;
    this.settling = setTimeout(() => {
      if (this.editor.stroke) return this.settle();
      this.isUntold = false;
      this.viewer.host.emit("edited", { key, revision: this.revision });
    }, SETTLED_MS);
  }

  // A slice that the server packed at an earlier revision gets what was done since.
  bring(slice, revision) {
    const { value } = this.viewer;
    const since = this.log.filter((step) => step.number > revision);
    if (!since.length) return;
    const { editing: { prediction } } = value;
    const { labels } = slice.views[prediction];
    const across = axisAcross(slice.plane);
    const { axes: [, down, right], size, flips } = value.planes[slice.plane];
    for (const { runs } of since) {
      for (const [start, length, , after] of runs) {
        for (let place = start; place < start + length; place += 1) {
          const voxel = voxelOf(value, place);
          if (voxel[across] !== slice.index) continue;
          const y = flips[0] ? size[0] - 1 - voxel[down] : voxel[down];
          const x = flips[1] ? size[1] - 1 - voxel[right] : voxel[right];
          labels.data[y * size[1] + x] = after;
        }
      }
    }
  }
}
