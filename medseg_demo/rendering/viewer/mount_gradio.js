// Inside gr.HTML: `element`, `props`, `trigger` and `watch` are what Gradio hands to js_on_load.

const viewer = new Viewer(element.querySelector(".mv-host"), { emit: trigger, offersSlices: true });
const showCurrent = () => viewer.show(props.value || null);
watch("value", showCurrent);
showCurrent();
