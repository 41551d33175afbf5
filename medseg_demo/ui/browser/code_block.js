// Copies the text of the block; where the page may not use the clipboard, it selects the text instead.
element.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  const code = element.querySelector("pre");
  if (!button || !code) return;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    window.getSelection().selectAllChildren(code);
    button.textContent = "Selected: press Ctrl C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
