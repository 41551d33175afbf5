// Translates what scripts say: `words` holds templates in English and those of the visitor's language, with the same
// placeholders. language/__init__.py does the same for what Python says.
(words) => {
  const ANYTHING = "(.*?)";
  const LITTLE = "([\\d.,:%×∞–−+\\s/-]{0,40}|\\S{0,60})"; // of a template that would fit too much else
  const known = new Map();
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const templates = Object.entries(words)
    .filter(([template, said]) => said && template.includes("{"))
    .map(([template, said]) => {
      const letters = template.replace(/\{\w+\}/g, " ").match(/[A-Za-z]/g)?.length || 0;
      const names = [...template.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
      const parts = template.split(/\{\w+\}/).map(escaped);
      return { letters, names, said, pattern: new RegExp(`^${parts.join(letters < 12 && !/^[A-Z]/.test(template) ? LITTLE : ANYTHING)}$`, "s") };
    })
    .filter(({ letters }) => letters > 1)
    .sort((one, other) => other.letters - one.letters);

  function translate(text) {
    if (words[text]) return words[text];
    for (const { pattern, names, said } of templates) {
      const found = pattern.exec(text);
      if (found) return said.replace(/\{(\w+)\}/g, (_, name) => say(found[1 + names.indexOf(name)]));
    }
    const parts = text.split(", ");
    return parts.length > 1 ? parts.map(say).join(", ") : text;
  }

  function say(text) {
    if (typeof text !== "string" || !/[A-Za-z]{2}/.test(text) || text.length > 2000) return text;
    if (!known.has(text)) known.set(text, translate(text));
    return known.get(text);
  }

  return say;
}
