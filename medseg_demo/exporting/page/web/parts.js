// What the page is made of besides the viewer. Each part is an element; `update` brings it to the app's state.

function buildParts(app) {
  return { head: headOf(app), controls: controlsOf(app), status: statusOf(app), results: resultsOf(app), about: aboutOf() };
}

// A name that is never translated.
const asIs = (text) => document.createTextNode(text);

function headOf(app) {
  const title = inLanguage(PAGE.title);
  if (globalThis.medsegLanguages) document.title = title;
  return build(
    "header", { class: "mp-head" },
    build("div", {}, build(PAGE.heading, {}, asIs(title)), build("p", { class: "mp-quiet" }, "Everything is computed on this device: the page sends nothing anywhere, and works without a network.")),
    globalThis.medsegLanguages ? languageMenu(app) : null,
  );
}

function languageMenu(app) {
  const names = Object.entries(medsegLanguages).map(([tag, { name }]) => build("option", { value: tag, lang: tag }, asIs(name)));
  const menu = build("select", { id: "medseg-language", "aria-label": "Language / 语言" }, ...names);
  menu.value = document.documentElement.lang;
  menu.addEventListener("change", () => {
    document.documentElement.lang = menu.value;
    app.render();
  });
  return menu;
}

function controlsOf(app) {
  const picker = build("input", { id: "medseg-file", type: "file", class: "mp-file", accept: ".png,.jpg,.jpeg,.dcm,.dicom,.npy,.webp,.bmp,image/*,application/dicom" });
  picker.addEventListener("change", () => picker.files.length && (app.open(picker.files[0]), (picker.value = "")));
  const samples = PAGE.samples.map((sample, i) => build("button", { type: "button", id: `medseg-sample-button-${i}`, title: inLanguage(sample.description), onclick: () => app.openSample(sample) }, asIs(inLanguage(sample.title))));
  const [first, second] = [menuOfNetworks(app, 0), menuOfNetworks(app, 1)];
  const node = build(
    "section", { class: "mp-card mp-controls", "aria-label": "Image and network" },
    build("div", { class: "mp-drop" }, build("label", { class: "mp-primary", for: "medseg-file" }, "Choose an image"), picker, build("span", { class: "mp-quiet" }, "or drop one anywhere: PNG (8 or 16 bits), JPEG, single-frame DICOM, NPY, WebP, BMP")),
    samples.length ? build("div", { class: "mp-row" }, build("span", { class: "mp-quiet" }, "Samples"), ...samples) : null,
    build("div", { class: "mp-row" }, first.node, second.node, optionsOf(app)),
  );
  node.update = () => {
    for (const menu of [first, second]) menu.update();
    samples.forEach((button, i) => button.setAttribute("aria-pressed", String(app.sample === PAGE.samples[i])));
  };
  return node;
}

function menuOfNetworks(app, place) {
  const options = PAGE.networks.map((network) => build("option", { value: network.name }, asIs(`${network.name} · ${network.card.task}`)));
  const menu = build("select", { id: `medseg-network-${place}` }, place ? build("option", { value: "" }, "no other") : null, ...options);
  menu.addEventListener("change", () => app.choose(place, menu.value));
  const node = build("label", { class: "mp-field" }, place ? "Compare with" : "Network", menu);
  const update = () => {
    menu.value = app.chosen[place]?.name || "";
    if (place) options.forEach((option) => (option.disabled = option.value === app.chosen[0].name));
    node.hidden = place > 0 && PAGE.networks.length < 2;
  };
  return { node, update };
}

function optionsOf(app) {
  const check = (name, words) => {
    const box = build("input", { type: "checkbox", id: `medseg-${name}`, checked: app.options[name] });
    box.addEventListener("change", () => app.set({ [name]: box.checked }));
    return build("label", { class: "mp-check" }, box, words);
  };
  const smallest = build("input", { type: "number", id: "medseg-smallest", min: 0, step: 1, value: app.options.smallest });
  smallest.addEventListener("change", () => app.set({ smallest: Math.max(0, Math.round(Number(smallest.value) || 0)) }));
  const isOpen = app.options.flips || app.options.fill || app.options.smallest > 0;
  return build("details", { class: "mp-options", open: isOpen }, build("summary", {}, "Options"), build("label", { class: "mp-field" }, "Smallest part, in pixels (0 keeps all)", smallest), check("fill", "Fill holes within a class"), check("flips", "Average over four flips (takes four times as long)"));
}

function statusOf(app) {
  const text = build("span", {});
  const bar = build("progress", { "aria-label": "Progress" });
  const stop = build("button", { type: "button", id: "medseg-stop", onclick: () => app.engine.stop() }, "Stop");
  const said = build("p", { class: "mp-status", role: "status" }, bar, text, stop);
  const alarm = build("p", { class: "mp-alarm", role: "alert" });
  const empty = build("p", { class: "mp-empty" }, "No image yet. Choose one above: it stays on this device.");
  const node = build("div", {}, said, alarm, empty);
  node.update = () => {
    const { status, isBusy } = app;
    const isAlarm = Boolean(status?.isAlarm);
    said.hidden = !status || isAlarm;
    alarm.hidden = !isAlarm;
    empty.hidden = Boolean(app.image || isBusy || isAlarm);
    bar.hidden = stop.hidden = !isBusy;
    if (status) (isAlarm ? alarm : text).textContent = (status.file ? `${status.file}: ` : "") + spoken(status.text);
    if (status?.total > 1) Object.assign(bar, { max: status.total, value: status.done });
    else bar.removeAttribute("value");
    stop.hidden ||= !(status?.total > 1);
  };
  return node;
}

function resultsOf(app) {
  const node = build("section", { "aria-label": "Result" });
  node.update = () => {
    const { image, results } = app;
    node.hidden = !results.length;
    if (node.hidden) return;
    const ofImage = image.spacing ? image.notes : [...image.notes, "The file states no pixel size, so areas and lengths are in pixels."];
    const notes = ofImage.map((one) => build("p", { class: "mp-note" }, one));
    for (const { network, warnings } of results)
      for (const one of warnings) notes.push(build("p", { class: "mp-note" }, results.length > 1 ? asIs(`${network.name}: `) : null, one));
    node.replaceChildren(
      build("div", { class: "mp-card" }, build("h2", {}, "Measurements"), tableOf(image, results), ...notes),
      build("div", { class: "mp-card mp-row" }, build("h2", {}, "Download"), ...downloadsOf(app)),
    );
  };
  return node;
}

function tableOf(image, results) {
  const unit = image.spacing ? "mm²" : "px";
  const heads = [...(results.length > 1 ? ["Network"] : []), "Class", "Area", "Share of the image", "Parts", "Diameter of the largest", "Mean probability", "Mean intensity"];
  const rows = results.flatMap(({ network, measurements }) => measurements.map((one) => [...(results.length > 1 ? [network.name] : []), ...figuresOf(one, unit)]));
  const cells = (row) => row.map((cell, i) => build(i ? "td" : "th", i ? {} : { scope: "row" }, asIs(cell)));
  return build(
    "div", { class: "mp-scroll", tabindex: 0, role: "region", "aria-label": "Measurements" },
    build("table", {}, build("thead", {}, build("tr", {}, ...heads.map((name) => build("th", { scope: "col" }, name)))), build("tbody", {}, ...rows.map((row) => build("tr", {}, ...cells(row))))),
    ...results.map(({ network, seconds }) => build("p", { class: "mp-quiet" }, `Computed by ${network.name} in ${seconds.toFixed(2)} s`)),
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
    ...results.map((one, i) => button(`save-labels-${i}`, results.length > 1 ? `Label map of ${one.network.name} (PNG)` : "Label map (PNG)", () => downloadLabels(image, one))),
    button("save-table", "Measurements (CSV)", () => downloadTable(image, results)),
    button("save-json", "Measurements (JSON)", () => downloadJson(image, results, options)),
  ];
}

function aboutOf() {
  const title = "Licences of what this page contains";
  const licences = build("details", { class: "mp-card" }, build("summary", {}, title));
  licences.addEventListener("toggle", async () => {
    if (licences.open && licences.children.length < 2) licences.append(build("pre", { tabindex: 0, role: "region", "aria-label": title }, asIs(await textIn("licences"))));
  });
  const about = build("details", { class: "mp-card" }, build("summary", {}, "About the networks and samples"), ...PAGE.networks.map(describeNetwork), ...PAGE.samples.map(describeSample));
  return build("footer", {}, build("p", { class: "mp-note" }, "For research and teaching. This is no medical device: do not base decisions about patients on it."), about, licences);
}

function describeNetwork({ name, digest, card, facts }) {
  const size = [...card.input_size].reverse().join(" × ");
  return build(
    "div", {}, build("h3", {}, asIs(name)),
    ...[
      asIs(`${card.task} (${card.modality})`), asIs(`${spoken("Classes")}: ${card.class_names.join(", ")}`),
      `Input ${size} px, ${formatCount(facts.parameters)} parameters, stored in 16 bits and computed in single precision.`,
      ...facts.scores.map(({ split, mean, worst, n }) => `Dice on its ${split} cases: mean ${mean}, worst ${worst} (n = ${n}).`),
      ...facts.training_data.map((one) => `Trained on ${one.name}, ${one.licence}. ${one.credit}`), `SHA-256 of the weights: ${digest}`,
    ].map((line) => build("p", { class: "mp-quiet" }, line)),
  );
}

function describeSample({ title, description, credit, licence }) {
  const lines = [inLanguage(description), credit, licence].filter(Boolean).map((line) => build("p", { class: "mp-quiet" }, asIs(line)));
  return build("div", {}, build("h3", {}, asIs(inLanguage(title))), ...lines);
}
