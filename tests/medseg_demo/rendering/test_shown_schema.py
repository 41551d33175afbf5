"""The JSON schema of what the viewer shows: all that Python makes fits it, and the scripts read nothing else."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from importlib import resources

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from viewer_example import RADIOGRAPH, REFERENCE, lungs_value

from medseg_demo.image import Geometry, HeatMap, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, viewer_value
from medseg_demo.rendering.packing import PackedArray, pack, unpack
from medseg_demo.rendering.shown import Shown
from medseg_demo.rendering.slices import PackedSlice

SHOWN = TypeAdapter(Shown)
SCHEMA = SHOWN.json_schema()
SCRIPTS = resources.files("medseg_demo.rendering").joinpath("viewer")

VOLUME = MedicalImage(
    np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4) / 3, "ZYX", Geometry((2.0, 1.0, 1.0), np.eye(4)), "ct",
    "NIfTI", 32, (0.0, 8.0), "CT",
)  # fmt: skip
MASK = LabelMap((VOLUME.pixels > 4).astype(np.uint8), ("core",))
FIRST = NamedPrediction("a", MASK, np.where(MASK.labels, 0.9, 0.1)[np.newaxis].astype(np.float16), 0.5)
REGION = {"class_name": "core", "size": "3 ml", "box": [0, 0, 0, 1, 2, 2]}
MODALITIES = replace(VOLUME, pixels=np.zeros((2, 3, 4, 4), np.int16), axes="ZYXC")
VALUES = {
    "image alone": viewer_value(RADIOGRAPH, can_crop=True, crop=[0, 1, 2, 1, 30, 40]),
    "with a reference": viewer_value(RADIOGRAPH, reference=REFERENCE),
    "one prediction": lungs_value(),
    "volume": viewer_value(VOLUME, [FIRST], reference=MASK, slice_indices="all", thresholds=[0.3]),
    "several": viewer_value(VOLUME, [FIRST, NamedPrediction("b", MASK)], regions=[REGION], mode="errors"),
    "a heat map": viewer_value(VOLUME, [replace(FIRST, heat=HeatMap("unsure", VOLUME.pixels / 16))]),
    "more slices": viewer_value(VOLUME, [FIRST], plane="sagittal", slice_indices=[3, 1], key="k"),
    "channels": viewer_value(MODALITIES),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_what_is_made_fits_the_schema_with_nothing_left_over(value):
    assert asdict(SHOWN.validate_json(json.dumps(value), strict=True)) == value


@pytest.mark.parametrize(
    "wrong",
    [
        {"point": [1.5, 0, 0]},
        {"layout": "pile"},
        {"planes": {"oblique": {}}},
        {"predictions": [{"name": "a"}]},
        {"spacing_mm": "1"},
        {"key": None},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(ValidationError):
        SHOWN.validate_json(json.dumps(VALUES["volume"] | wrong), strict=True)


def test_the_scripts_read_what_the_value_has():
    files = [*SCRIPTS.iterdir(), *SCRIPTS.joinpath("edit").iterdir()]
    text = "\n".join(entry.read_text(encoding="utf-8") for entry in files if entry.name.endswith(".js"))
    read = set(re.findall(r"(?<![.\w])value\??\.(\w+)", text))
    assert read - {field.name for field in fields(Shown)} == set()
    unread = {field.name for field in fields(Shown)} - set(re.findall(r"\w+", text))
    assert unread == set()


# Runs unpack.js on slices and notes each place that it reads.
UNPACK = """
const places = new Set();
const watched = (thing, place) => typeof thing !== "object" || thing === null ? thing : new Proxy(thing, {
  get(target, name) {
    const found = target[name];
    if (typeof name === "symbol" || typeof found === "function" || name === "length") return found;
    const where = place + (Array.isArray(target) ? "[]" : "." + name);
    if (found !== undefined) places.add(where);
    return watched(found, where);
  },
});
const numbers = (plane) => plane && Array.from(plane.data);
(async () => {
  const slices = [];
  for (const packed of JSON.parse(require("fs").readFileSync(0, "utf-8"))) {
    const { images, reference, model, views } = await unpackSlice(watched(packed, ""));
    const said = views.flatMap(({ labels, probabilities }) => [labels, ...probabilities]);
    slices.push([...images, reference, model, ...said].map(numbers));
  }
  console.log(JSON.stringify({ places: [...places], slices }));
})();
"""


def run_unpack(slices: list[dict[str, object]]) -> dict[str, list]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    program = SCRIPTS.joinpath("unpack.js").read_text(encoding="utf-8") + UNPACK
    finished = subprocess.run(
        [node, "-e", program], input=json.dumps(slices), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def places_of(schema: dict[str, object], place: str = "") -> Iterator[str]:
    """Every place that a schema knows of: ``.name`` of an object, ``[]`` of a list."""
    if "$ref" in schema:
        yield from places_of(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], place)
    for choice in schema.get("anyOf", ()):
        yield from places_of(choice, place)
    for name, part in schema.get("properties", {}).items():
        yield f"{place}.{name}"
        yield from places_of(part, f"{place}.{name}")
    if "items" in schema:
        yield f"{place}[]"
        yield from places_of(schema["items"], f"{place}[]")


def packed_noise(dtype: type, shape: tuple[int, ...], seed: int) -> PackedArray:
    return pack(np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype))


ARRAYS = st.builds(
    packed_noise,
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from([(1, 1), (2, 3), (2, 2, 3)]),
    st.integers(0, 99),
)
st.register_type_strategy(PackedArray, ARRAYS)


def test_unpack_reads_every_place_of_the_schema_and_no_other():
    slices = [slice for name in ("volume", "one prediction", "a heat map") for slice in VALUES[name]["slices"]]
    assert set(run_unpack(slices)["places"]) == set(places_of({"$ref": "#/$defs/PackedSlice"}))


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(st.lists(st.from_type(PackedSlice), min_size=5, max_size=5))
def test_unpack_understands_whatever_the_schema_allows(slices):
    for one, found in zip(slices, run_unpack([asdict(one) for one in slices])["slices"], strict=True):
        said = [plane for view in one.predictions for plane in (view.labels, *view.probabilities)]
        sent = [*one.images, one.reference, one.model_input, *said]
        assert found == [plane and unpack(asdict(plane)).ravel().tolist() for plane in sent]
