// The page's own sentences, in the language that the browser or the menu says.

let language = /^zh/i.test(navigator.language) ? "zh" : "en";

// A sentence with its gaps filled. A value that is itself [[key, values], …] is said, too.
function say(key, values = {}) {
  const said = (value) => (Array.isArray(value) ? value.map((one) => say(...one)).join(say("comma")) : typeof value === "number" ? plainNumber(value) : value);
  return (TEXTS[language][key] ?? key).replace(/\{(\w+)\}/g, (gap, name) => (name in values ? said(values[name]) : gap));
}

const plainNumber = (value) => String(Number(value.toPrecision(6)));

// Some words are those of a checkpoint or of a sample: they come in the language they were written in, or in both.
const inLanguage = (text) => (typeof text === "string" ? text : text[language]);
