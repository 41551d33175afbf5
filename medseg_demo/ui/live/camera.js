// The camera: each picture is sent when the answer to the one before is there, so that none is late. `props.value` is
// {answered}, the number of the picture that was answered, and {ended} where the server wants no more.

const SIDE = 512; // px of the longer side that is sent
const QUALITY = 0.85;
const PATIENCE_MS = 15000; // after which an answer counts as lost
const said = globalThis.medsegSay || ((text) => text);
const DENIED =
  "The browser does not let this page use the camera. Allow it in the address bar or in the browser's settings, then start it again.";
const MISSING = "No camera was found. Connect one, then start it again.";
const BUSY = "The camera cannot be opened: another program may be using it. Close that, then start it again.";
const UNSAFE =
  "Browsers give the camera only to pages of this computer or under https. Open the page that way to use it.";
const ENDED = "The camera was taken away. Connect it, then start it again.";
const REASONS = { NotAllowedError: DENIED, SecurityError: DENIED, NotFoundError: MISSING, OverconstrainedError: MISSING };

const [start, stop] = element.querySelectorAll("button");
const note = element.querySelector("[role=status]");
const film = document.createElement("video");
const canvas = document.createElement("canvas");
film.muted = film.playsInline = true;

let stream = null;
let begun = 0;
let sent = 0;
let heard = 0;
let waiting = 0;

function say(text) {
  note.textContent = text && said(text);
  note.hidden = !text;
}

function send() {
  clearTimeout(waiting);
  if (!stream) return;
  if (!element.isConnected) return end();
  if (!film.videoWidth) {
    waiting = setTimeout(send, 100);
    return;
  }
  const scale = Math.min(1, SIDE / Math.max(film.videoWidth, film.videoHeight));
  canvas.width = Math.max(1, Math.round(film.videoWidth * scale));
  canvas.height = Math.max(1, Math.round(film.videoHeight * scale));
  canvas.getContext("2d").drawImage(film, 0, 0, canvas.width, canvas.height);
  sent += 1;
  const time = (performance.now() - begun) / 1000;
  trigger("frame", { image: canvas.toDataURL("image/jpeg", QUALITY), number: sent, time });
  waiting = setTimeout(send, PATIENCE_MS);
}

function end(reason = "") {
  if (!stream) return;
  clearTimeout(waiting);
  stream.getTracks().forEach((track) => track.stop());
  stream = film.srcObject = null;
  start.disabled = false;
  stop.disabled = true;
  say(reason);
  trigger("end", {});
}

start.addEventListener("click", async () => {
  if (!navigator.mediaDevices?.getUserMedia) return say(UNSAFE);
  start.disabled = true;
  say("");
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } }, audio: false });
  } catch (error) {
    start.disabled = false;
    return say(REASONS[error.name] || BUSY);
  }
  stream.getVideoTracks()[0].addEventListener("ended", () => end(ENDED));
  film.srcObject = stream;
  await film.play();
  stop.disabled = false;
  begun = performance.now();
  sent = heard = 0;
  trigger("begin", {});
  send();
});
stop.addEventListener("click", () => end());

watch("value", () => {
  if (props.value?.ended) return end();
  if (!(props.value?.answered > heard)) return;
  heard = props.value.answered;
  clearTimeout(waiting);
  waiting = setTimeout(send); // once Gradio is done with the answer
});
