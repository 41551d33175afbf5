"""What a viewer's clicks become, whatever a browser sends."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg_demo.correcting.correction import Correction
from medseg_demo.correcting.edits import Step
from medseg_demo.errors import PromptError
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.prompting.prompts import Click, Prompts, Scribble
from medseg_demo.ui.correct import clicks
from medseg_demo.ui.correct.corrections import Corrected, Corrections
from medseg_demo.ui.session import Session

CARD = ModelCard(class_names=("object",), input_size=(32, 32), prompts=("click",), threshold=0.5)
ASKED = {
    "key": "shown", "asked": 7, "clicks": [[4, 5, True]], "scribbles": [], "box": None, "number": 1, "label": 1,
    "plane": "axial", "slice": 0, "channel": 0, "protected": [],
}  # fmt: skip


class FakeEngine:
    """Finds what is bright, whatever is said."""

    def __init__(self, names=("any",)) -> None:
        self.names = names

    def prompted(self):
        return [SimpleNamespace(name=name) for name in self.names]

    def loaded(self, name):
        return SimpleNamespace(name=name, card=CARD)

    def job(self, *_, **__):
        return nullcontext(SimpleNamespace(check=lambda: None))

    def looking(self, checkpoint, job):
        return lambda seen: (seen[0] > 0).astype(np.float32)


def opened(shape=(32, 32)) -> tuple[Corrections, Corrected]:
    pixels = np.zeros(shape, np.uint8)
    pixels[..., 2:12, 3:14] = 255
    image = MedicalImage(pixels, "ZYX"[-len(shape) :], Geometry(), "made", "PNG", 8, (0.0, 255.0))
    label_map = LabelMap(np.zeros(shape, np.uint8), ("a", "b"), Geometry())
    corrected = Corrected(Correction(label_map, name="net"), image=image)
    corrections = Corrections()
    corrections.show("shown", corrected)
    return corrections, corrected


def ask(corrections, handler=clicks.click, engine=None, **changes):
    event = SimpleNamespace(**{**ASKED, **changes})
    return handler(corrections, event, engine or FakeEngine(), Session(), "clicks")


def test_an_answer_is_a_step_that_can_be_applied():
    corrections, corrected = opened()
    answer = ask(corrections, label=2)
    assert (answer.key, answer.asked, answer.kind, answer.problem) == ("shown", 7, "click", "")
    corrected.correction.apply([Step(1, answer.kind, tuple(answer.runs))])
    labels = corrected.correction.label_map.labels
    assert set(np.unique(labels)) == {0, 2}
    assert np.mean((labels == 2) == (corrected.image.pixels > 0)) > 0.97


def test_a_class_is_followed_through_a_volume():
    corrections, corrected = opened((9, 32, 32))
    answer = ask(corrections, slice=4)
    corrected.correction.apply([Step(1, answer.kind, tuple(answer.runs))])
    answer = ask(corrections, clicks.propagate, slice=4, before=2, after=30)
    assert not answer.problem
    corrected.correction.apply([Step(2, answer.kind, tuple(answer.runs))])
    assert corrected.correction.changed_slices() == (2, 3, 4, 5, 6, 7, 8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clicks": []}, ""),
        ({"clicks": [[4, 5, False]]}, "Nothing says where"),
        ({"clicks": [[400, 5, True]]}, "outside the image"),
        ({"clicks": [[-3, 5, True]]}, "outside the image"),
        ({"clicks": [[float("nan"), 5, True]]}, "came damaged"),
        ({"clicks": [[1, 2, 1]]}, "came damaged"),
        ({"clicks": [[1, 2]]}, "came damaged"),
        ({"clicks": "1, 2"}, "came damaged"),
        ({"clicks": [[1, 2, True]] * 1001}, "came damaged"),
        ({"scribbles": [{"points": [], "positive": True}]}, "came damaged"),
        ({"scribbles": [{"points": [[1, 2]]}]}, "came damaged"),
        ({"scribbles": [None]}, "came damaged"),
        ({"box": [1, 2, 3]}, "came damaged"),
        ({"box": [5, 5, 5, 9]}, "The box is empty"),
        ({"label": 0}, "names no class"),
        ({"label": 3}, "names no class"),
        ({"label": True}, "names no class"),
        ({"slice": 1}, "names no class or slice"),
        ({"protected": [300]}, "names no class"),
        ({"channel": -1}, "names no class"),
        ({"number": None}, "names no class"),
    ],
)
def test_what_cannot_be_meant_is_said(changes, words):
    answer = ask(opened()[0], **changes)
    assert words in answer.problem or (not words and "Nothing to change" in answer.problem)
    assert not answer.runs


def test_a_thousand_clicks_are_answered():
    assert not ask(opened()[0], clicks=[[4, 5, True]] * 1000).problem


def test_a_result_that_was_replaced_says_so():
    answer = ask(opened()[0], key="before")
    assert answer.is_gone
    assert "replaced" in answer.problem


def test_without_such_a_checkpoint_it_is_said():
    assert "No checkpoint here finds objects" in ask(opened()[0], engine=FakeEngine(())).problem
    corrections, corrected = opened()
    corrected.image = None
    assert "No checkpoint here finds objects" in ask(corrections).problem


def test_the_checkpoint_of_the_result_is_taken_where_it_can():
    corrections, corrected = opened()
    corrected.clicker = "mine"
    engine = FakeEngine(("any", "mine"))
    loaded = []
    engine.loaded = lambda name: loaded.append(name) or SimpleNamespace(name=name, card=CARD)
    ask(corrections, engine=engine)
    corrected.clicker = "gone"
    ask(corrections, engine=engine)
    assert loaded == ["mine", "any"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda one: st.lists(one, max_size=4) | st.dictionaries(st.sampled_from(["points", "positive"]), one),
    max_leaves=12,
)


@settings(max_examples=200)
@given(JSON, JSON, JSON)
def test_anything_may_come(clicked, scribbles, box):
    event = SimpleNamespace(clicks=clicked, scribbles=scribbles, box=box)
    try:
        prompts = clicks.read_prompts(event)
        prompts.check(32, 32)
    except PromptError:
        return
    assert prompts


def test_what_is_sent_is_read():
    event = SimpleNamespace(
        clicks=[[1, 2.5, True], [3, 4, False]],
        scribbles=[{"points": [[1, 1], [2, 2]], "positive": True}],
        box=[0, 1, 5, 6],
    )
    assert clicks.read_prompts(event) == Prompts(
        (Click(1, 2.5), Click(3, 4, positive=False)), (Scribble(((1, 1), (2, 2))),), (0, 1, 5, 6)
    )
