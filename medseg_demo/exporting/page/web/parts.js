// What the page is made of besides the viewer. Each part is an element; `update` brings it to the app's state.

function buildParts(app) {
  return { head: headOf(app), controls: controlsOf(app), status: statusOf(app), results: resultsOf(app), about: aboutOf() };
}

function headOf(app) {
  const menu = build("select", { id: "medseg-language", "aria-label": "Language / 语言" }, ...[["en", "English"], ["zh", "中文"]].map(([code, name]) => build("option", { value: code, lang: code, selected: code === language }, name)));
  menu.addEventListener("change", () => {
    language = menu.value;
    app.render();
    if (app.image) app.show();
  });
  return build(
    "header", { class: "mp-head" },
    build("div", {}, build(PAGE.heading, {}, inLanguage(PAGE.title)), build("p", { class: "mp-quiet" }, say("private"))),
    menu,
  );
}

function controlsOf(app) {
  const picker = build("input", { id: "medseg-file", type: "file", class: "mp-file", accept: ".png,.jpg,.jpeg,.dcm,.dicom,.npy,.webp,.bmp,image/*,application/dicom" });
  picker.addEventListener("change", () => picker.files.length && (app.open(picker.files[0]), (picker.value = "")));
  const samples = PAGE.samples.map((sample, i) => build("button", { type: "button", id: `medseg-sample-button-${i}`, title: inLanguage(sample.description), onclick: () => app.openSample(sample) }, inLanguage(sample.title)));
  const [first, second] = [menuOfNetworks(app, 0), menuOfNetworks(app, 1)];
  const node = build(
    "section", { class: "mp-card mp-controls", "aria-label": say("controls") },
    build("div", { class: "mp-drop" }, build("label", { class: "mp-primary", for: "medseg-file" }, say("choose")), picker, build("span", { class: "mp-quiet" }, say("drop"))),
    samples.length ? build("div", { class: "mp-row" }, build("span", { class: "mp-quiet" }, say("samples")), ...samples) : null,
    build("div", { class: "mp-row" }, first.node, second.node, optionsOf(app)),
  );
  node.update = () => {
    for (const menu of [first, second]) menu.update();
    samples.forEach((button, i) => button.setAttribute("aria-pressed", String(app.sample === PAGE.samples[i])));
  };
  return node;
}

function menuOfNetworks(app, place) {
  const options = PAGE.networks.map((network) => build("option", { value: network.name }, `${network.name} · ${network.card.task}`));
  const menu = build("select", { id: `medseg-network-${place}` }, place ? build("option", { value: "" }, say("none")) : null, ...options);
  menu.addEventListener("change", () => app.choose(place, menu.value));
  const node = build("label", { class: "mp-field" }, say(place ? "compare" : "network"), menu);
  const update = () => {
    menu.value = app.chosen[place]?.name || "";
    if (place) options.forEach((option) => (option.disabled = option.value === app.chosen[0].name));
    node.hidden = place > 0 && PAGE.networks.length < 2;
  };
  return { node, update };
}

function optionsOf(app) {
  const check = (name) => {
    const box = build("input", { type: "checkbox", id: `medseg-${name}`, checked: app.options[name] });
    box.addEventListener("change", () => app.set({ [name]: box.checked }));
    return build("label", { class: "mp-check" }, box, say(name));
  };
  const smallest = build("input", { type: "number", id: "medseg-smallest", min: 0, step: 1, value: app.options.smallest });
  smallest.addEventListener("change", () => app.set({ smallest: Math.max(0, Math.round(Number(smallest.value) || 0)) }));
  const isOpen = app.options.flips || app.options.fill || app.options.smallest > 0;
  return build("details", { class: "mp-options", open: isOpen }, build("summary", {}, say("options")), build("label", { class: "mp-field" }, say("smallest"), smallest), check("fill"), check("flips"));
}

function statusOf(app) {
  const text = build("span", {});
  const bar = build("progress", { "aria-label": say("progress") });
  const stop = build("button", { type: "button", id: "medseg-stop", onclick: () => app.engine.stop() }, say("stop"));
  const said = build("p", { class: "mp-status", role: "status" }, bar, text, stop);
  const alarm = build("p", { class: "mp-alarm", role: "alert" });
  const empty = build("p", { class: "mp-empty" }, say("empty"));
  const node = build("div", {}, said, alarm, empty);
  node.update = () => {
    const { status, isBusy } = app;
    const isAlarm = status?.kind === "alarm";
    said.hidden = !status || isAlarm;
    alarm.hidden = !isAlarm;
    empty.hidden = Boolean(app.image || isBusy || isAlarm);
    bar.hidden = stop.hidden = !isBusy;
    if (status) (isAlarm ? alarm : text).textContent = say(status.key, status.values);
    if (status?.values.total > 1) Object.assign(bar, { max: status.values.total, value: status.values.done });
    else bar.removeAttribute("value");
    stop.hidden ||= !(status?.values.total > 1);
  };
  return node;
}

function resultsOf(app) {
  const node = build("section", { "aria-label": say("results") });
  node.update = () => {
    const { image, results } = app;
    node.hidden = !results.length;
    if (node.hidden) return;
    const notes = [...image.notes, ...results.flatMap(({ network, warnings }) => (results.length > 1 ? warnings.map((one) => ["of", { name: network.name, text: [one] }]) : warnings))];
    if (!image.spacing) notes.push(["noSpacing", {}]);
    node.replaceChildren(
      build("div", { class: "mp-card" }, build("h2", {}, say("measurements")), tableOf(image, results), ...notes.map((one) => build("p", { class: "mp-note" }, say(...one)))),
      build("div", { class: "mp-card mp-row" }, build("h2", {}, say("downloads")), ...downloadsOf(app)),
    );
  };
  return node;
}

function tableOf(image, results) {
  const unit = image.spacing ? "mm²" : "px";
  const heads = [...(results.length > 1 ? ["network"] : []), "class", "area", "share", "parts", "diameter", "confidence", "mean"];
  const rows = results.flatMap(({ network, measurements }) => measurements.map((one) => [...(results.length > 1 ? [network.name] : []), ...figuresOf(one, unit)]));
  const cells = (row) => row.map((cell, i) => build(i ? "td" : "th", i ? {} : { scope: "row" }, cell));
  return build(
    "div", { class: "mp-scroll", tabindex: 0, role: "region", "aria-label": say("measurements") },
    build("table", {}, build("thead", {}, build("tr", {}, ...heads.map((key) => build("th", { scope: "col" }, say(key))))), build("tbody", {}, ...rows.map((row) => build("tr", {}, ...cells(row))))),
    build("p", { class: "mp-quiet" }, results.map(({ network, seconds }) => say("seconds", { name: network.name, seconds: Number(seconds.toFixed(2)) })).join(" ")),
  );
}

function figuresOf(one, unit) {
  const area = one.area_mm2 === null ? one.pixels : one.area_mm2;
  const dash = "–";
  return [
    one.class_name, `${unit === "px" ? formatCount(area) : formatNumber(area)} ${unit}`, `${(100 * one.share).toFixed(2)} %`, String(one.components),
    one.largest_diameter === null ? dash : `${formatNumber(one.largest_diameter)} ${one.diameter_unit}`,
    one.mean_confidence === null ? dash : one.mean_confidence.toFixed(3),
    one.intensities.length ? one.intensities.map(({ mean }) => formatNumber(mean)).join(" / ") + (one.intensities[0].unit ? ` ${one.intensities[0].unit}` : "") : dash,
  ];
}

function downloadsOf({ image, results, options }) {
  const button = (id, text, onclick) => build("button", { type: "button", id: `medseg-${id}`, onclick }, text);
  return [
    ...results.map((one, i) => button(`save-labels-${i}`, results.length > 1 ? say("saveLabelsOf", { name: one.network.name }) : say("saveLabels"), () => downloadLabels(image, one))),
    button("save-table", say("saveTable"), () => downloadTable(image, results)),
    button("save-json", say("saveJson"), () => downloadJson(image, results, options)),
  ];
}

function aboutOf() {
  const licences = build("details", { class: "mp-card" }, build("summary", {}, say("licences")));
  licences.addEventListener("toggle", async () => {
    if (licences.open && licences.children.length < 2) licences.append(build("pre", {}, await textIn("licences")));
  });
  const about = build("details", { class: "mp-card" }, build("summary", {}, say("about")), ...PAGE.networks.map(describeNetwork), ...PAGE.samples.map(describeSample));
  return build("footer", {}, build("p", { class: "mp-note" }, say("noDevice")), about, licences);
}

function describeNetwork({ name, digest, card, facts }) {
  const lines = [
    ["factTask", { task: card.task, modality: card.modality }], ["factClasses", { classes: card.class_names.join(", ") }],
    ["factSize", { size: [...card.input_size].reverse().join(" × "), parameters: formatCount(facts.parameters) }],
    ...facts.scores.map((one) => ["factScore", one]), ...facts.training_data.map((one) => ["factData", one]), ["factDigest", { digest }],
  ];
  return build("div", {}, build("h3", {}, name), ...lines.map((line) => build("p", { class: "mp-quiet" }, say(...line))));
}

function describeSample({ title, description, credit, licence }) {
  return build("div", {}, build("h3", {}, inLanguage(title)), build("p", { class: "mp-quiet" }, `${inLanguage(description)} ${credit ? say("factSample", { credit, licence }) : ""}`));
}
