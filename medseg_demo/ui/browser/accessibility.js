// Corrects what Gradio's own components tell screen readers wrongly, whenever such nodes appear on the page.
() => {
  const say = globalThis.medsegSay || ((text) => text);
  const GRADIO = ["Click to upload or drop files", "Remove this file", "Reset to default value", "Gradio footer navigation"];
  const uploads = document.getElementsByClassName("upload-container"); // live: asking again costs nothing
  const thumbnails = document.getElementsByClassName("thumbnail-item");
  const words = (node) => node?.textContent.trim().replace(/\s+/g, " ") || "";
  const set = (node, attribute, text) => node.getAttribute(attribute) === text || node.setAttribute(attribute, text);

  // Its own label is "Click to upload or drop files", which is not what it shows; several on a page are told apart.
  function nameUpload(button) {
    const label = words(button.closest(".block")?.querySelector("[data-testid=block-label]"));
    set(button, "aria-label", [label, words(button)].filter(Boolean).join(": "));
  }

  // Beside chosen files a button lies in a button: the outer one takes the keys and clicks for both.
  function joinButtons(outer, inner) {
    set(outer, "aria-label", say("Add files"));
    set(outer, "title", say("Add files"));
    if (inner.inert) return;
    inner.inert = true;
    outer.addEventListener("click", (event) => inner.contains(event.target) || inner.click());
  }

  // "Thumbnail 1 of 3" hides the caption that is on it, and the picture says the caption once more.
  function nameThumbnail(button) {
    if (!words(button)) return;
    button.removeAttribute("aria-label");
    for (const picture of button.getElementsByTagName("img")) set(picture, "alt", "");
  }

  // Gradio says these in English whatever the page's language.
  function speak() {
    for (const node of document.querySelectorAll("[aria-label]")) {
      const label = node.getAttribute("aria-label");
      const name = label.replace(/^(number input|range slider) for /, "");
      if (/^number input for /.test(label)) set(node, "aria-label", say(`number input for ${name}`));
      else if (name !== label) set(node, "aria-label", say(`range slider for ${name}`));
      else if (GRADIO.includes(label)) set(node, "aria-label", say(label));
    }
  }

  function correct() {
    waiting = false;
    if (globalThis.medsegSay) speak();
    for (const button of uploads) {
      const outer = button.parentElement.closest("button");
      if (outer) joinButtons(outer, button);
      else nameUpload(button);
    }
    for (const button of thumbnails) nameThumbnail(button);
  }

  let waiting = false;
  new MutationObserver(() => {
    if (!waiting) requestAnimationFrame(correct);
    waiting = true;
  }).observe(document.body, { childList: true, subtree: true });
  correct();
}
