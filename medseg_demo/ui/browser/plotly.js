// Loads plotly.js from this server when the first figure is shown, once for the whole page. PLOTLY is its path.

function loadPlotly() {
  window.medsegPlotly ??= new Promise((resolve, reject) => {
    const { root = "", api_prefix = "" } = window.gradio_config || {};
    const script = document.createElement("script");
    script.src = `${root}${api_prefix}/file=${PLOTLY}`;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly.js could not be loaded"));
    document.head.append(script);
  });
  return window.medsegPlotly;
}
