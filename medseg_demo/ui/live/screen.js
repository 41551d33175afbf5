// What is seen at the moment: `props.value` is {image, words, curve}, or null; each part stays until a new one comes.

const picture = element.querySelector("img");
const curve = element.querySelector(".lv-curves");

function shown() {
  const value = props.value;
  element.querySelector(".lv-screen").hidden = !value;
  if (!value) return;
  if (value.image) {
    picture.src = value.image;
    picture.alt = value.words;
  }
  if (value.curve) curve.innerHTML = value.curve;
}

watch("value", shown);
shown();
