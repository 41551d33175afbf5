// Inside gr.HTML: `element`, `props`, `trigger` and `watch` are what Gradio hands to js_on_load. The style is put into the
// page here and once, because Gradio writes its css_template anew, and the browser reads it anew, at every value.

if (!document.querySelector("style.mv-style")) {
  document.head.append(build("style", { class: "mv-style" }, VIEWER_STYLE));
}
const host = element.querySelector(".mv-host");
// An event that finds no server has Gradio load the page again as soon as there is one, and what waits here would be gone.
const isReached = async () => {
  const { root = "", api_prefix: prefix = "/gradio_api" } = window.gradio_config || {};
  try {
    return (await fetch(`${root}${prefix}/app_id`, { cache: "no-store" })).ok;
  } catch {
    return false;
  }
};
const emit = async (name, data) => {
  if (!viewer.editor.sync.isUnsaved || (await isReached())) trigger(name, data);
};
const viewer = new Viewer(host, { emit, offersSlices: true });
host.viewer = viewer;
// A page that is still being built may hand over an empty object first.
const showCurrent = () => {
  if (props.value?.changed_slices) viewer.editor.hear(props.value); // no value of its own: what the server says of edits
  else viewer.show(props.value?.slices ? props.value : null);
};
watch("value", showCurrent);
showCurrent();
