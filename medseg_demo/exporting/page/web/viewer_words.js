// The viewer speaks English; inside this page its words are exchanged for those of the chosen language, whole texts only.

const SPOKEN = ["title", "aria-label", "placeholder"];
const TO_CHINESE = new Map(Object.entries(VIEWER_WORDS));
const TO_ENGLISH = new Map(Object.entries(VIEWER_WORDS).map(([english, chinese]) => [chinese, english]));

function inViewerLanguage(text) {
  const words = language === "zh" ? TO_CHINESE : TO_ENGLISH;
  const trimmed = text.trim();
  if (words.has(trimmed)) return text.replace(trimmed, words.get(trimmed));
  if (language !== "zh") return text;
  for (const [pattern, chinese] of VIEWER_PATTERNS) {
    const found = trimmed.match(new RegExp(`^${pattern}$`));
    if (found) return chinese.replace(/\$(\d)/g, (_, place) => found[place]);
  }
  return text;
}

function exchangeWords(node) {
  if (node.nodeType === Node.TEXT_NODE) {
    const words = inViewerLanguage(node.data);
    if (words !== node.data) node.data = words;
    return;
  }
  for (const name of SPOKEN) {
    const said = node.getAttribute?.(name);
    if (said && inViewerLanguage(said) !== said) node.setAttribute(name, inViewerLanguage(said));
  }
  node.childNodes.forEach(exchangeWords);
}

// Follows whatever the viewer writes; `again` is for a change of the language.
function keepWords(host) {
  const observer = new MutationObserver((changes) => {
    for (const { target, addedNodes, type } of changes) for (const node of type === "childList" ? addedNodes : [target]) exchangeWords(node);
  });
  observer.observe(host, { subtree: true, childList: true, characterData: true, attributeFilter: SPOKEN });
  exchangeWords(host);
  return { again: () => exchangeWords(host) };
}
