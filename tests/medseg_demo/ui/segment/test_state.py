from medseg_demo.reading.studies import Study
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.ui.segment.state import Choices, Outcome, Run


def test_choices_become_options():
    choices = Choices("c", 0.3, True, "median", 20.0, True)
    assert choices.options(takes_threshold=True) == SegmentOptions(0.3, True, "median", 20, True)
    assert choices.options(takes_threshold=False).threshold is None


def test_an_emptied_number_keeps_all_components():
    assert Choices("c", smallest_component=None).options(takes_threshold=True).smallest_component == 0


def test_succeeded_leaves_failures_out(tmp_path):
    good, bad = Outcome(Study(tmp_path), "good"), Outcome(Study(tmp_path), "bad", error="no")
    assert Run(Choices(), outcomes=(bad, good)).succeeded == (good,)
