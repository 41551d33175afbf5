// Copies the text of the block; where the page may not use the clipboard, it selects the text instead.
const say = globalThis.medsegSay || ((text) => text);

element.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  const code = element.querySelector("pre");
  if (!button || !code) return;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = say("Copied");
  } catch {
    window.getSelection().selectAllChildren(code);
    button.textContent = say("Selected: press Ctrl C");
  }
  setTimeout(() => { button.textContent = say("Copy"); }, 2000);
});
