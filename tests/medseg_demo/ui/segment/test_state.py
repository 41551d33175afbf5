from medseg_demo.models.card import ModelCard
from medseg_demo.reading.studies import Study
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.ui.segment.state import Choices, Outcome, Run


def test_choices_become_options():
    choices = Choices("c", 0.3, True, "median", 20.0, True)
    card = ModelCard(class_names=("a",))
    assert choices.options(card) == choices.options(None) == SegmentOptions(0.3, True, "median", 20, True)
    assert choices.options(card.model_copy(update={"class_names": ("a", "b")})).threshold is None


def test_the_filter_of_the_card_is_no_choice_and_none_is_one():
    card = ModelCard(class_names=("a",), denoise="median")
    assert Choices("c", denoise="median").options(card).denoise is None
    assert Choices("c", denoise="none").options(card).denoise == "none"


def test_an_emptied_number_keeps_all_components():
    assert Choices("c", smallest_component=None).options(None).smallest_component == 0


def test_succeeded_leaves_failures_out(tmp_path):
    good, bad = Outcome(Study(tmp_path), "good"), Outcome(Study(tmp_path), "bad", error="no")
    assert Run(Choices(), outcomes=(bad, good)).succeeded == (good,)
