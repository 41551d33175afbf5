// Translates what scripts say: `words` holds templates in English and those of the visitor's language, with the same
// placeholders. language/__init__.py does the same for what Python says.
(words) => {
  const ANYTHING = "(.*?)";
  const LITTLE = "([\\d.,:%×∞–−+\\s/-]{0,40}(?:px|mm|ml|ms|s)?|\\S{0,60})"; // of a template that would fit too much else
  const MARKS = "，。：；、（）“”！？";
  const WIDE = new RegExp(`[\\u4e00-\\u9fff${MARKS}]`);
  const PLAIN = /[A-Za-z0-9]/;
  const known = new Map();
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const templates = Object.entries(words)
    .filter(([template, said]) => said && template.includes("{"))
    .map(([template, said]) => {
      const letters = template.replace(/\{\w+\}/g, " ").match(/[A-Za-z]/g)?.length || 0;
      const names = [...template.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
      const parts = template.split(/\{\w+\}/).map(escaped);
      return { letters, names, said, pattern: new RegExp(`^${parts.join(letters < 10 && !/^[A-Z]/.test(template) ? LITTLE : ANYTHING)}$`, "s") };
    })
    .filter(({ letters }) => letters > 1)
    .sort((one, other) => other.letters - one.letters);

  // Two pieces of a sentence: no space between two wide letters, one between a wide one and a Latin one or a figure.
  function joined(text, piece) {
    const [first, second] = [text.trimEnd().slice(-1), piece.trimStart().slice(0, 1)];
    if (!first || !second) return text + piece;
    let space = text.endsWith(" ") || piece.startsWith(" ") ? " " : "";
    if (WIDE.test(first) && WIDE.test(second)) space = "";
    else if ((WIDE.test(first) && PLAIN.test(second)) || (PLAIN.test(first) && WIDE.test(second)))
      space = MARKS.includes(first) || MARKS.includes(second) ? "" : " ";
    return text.trimEnd() + space + piece.trimStart();
  }

  function translate(text) {
    if (words[text]) return words[text];
    for (const { pattern, names, said } of templates) {
      const found = pattern.exec(text);
      const filled = (piece, index) => (index % 2 ? say(found[1 + names.indexOf(piece)]) : piece);
      if (found) return said.split(/\{(\w+)\}/).map(filled).reduce(joined);
    }
    const [, what, inside] = /^(.+?) \(([^()]*)\)$/.exec(text) || [];
    if (words[what]) return `${words[what]}（${say(inside)}）`;
    const parts = text.split(", ");
    return parts.length > 1 ? parts.map(say).join(", ") : text;
  }

  function say(text) {
    if (typeof text !== "string" || !/[A-Za-z]{2}/.test(text) || text.length > 2000) return text;
    const bare = text.trim();
    if (!known.has(bare)) known.set(bare, translate(bare));
    return text.replace(bare, () => known.get(bare));
  }

  return say;
}
