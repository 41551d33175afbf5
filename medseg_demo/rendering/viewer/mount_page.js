// In a page of its own: each value lies in the page as JSON beside the element that shows it.

for (const element of document.querySelectorAll(".mv-host")) {
  if (element.viewer) continue; // that of a script which makes its values itself
  const viewer = new Viewer(element, { emit: () => {}, offersSlices: false });
  viewer.show(JSON.parse(element.nextElementSibling.textContent));
  element.viewer = viewer;
}
