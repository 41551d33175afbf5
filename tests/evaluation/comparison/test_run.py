"""What is compared on which image, and how long that takes."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from evaluation.comparison import cost as costs
from evaluation.comparison.classes import Stated
from evaluation.comparison.members import Comparison, Cost, Member
from evaluation.comparison.run import Asked, assign, compare_image, match_files
from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry, LabelMap, MedicalImage

IMAGE = MedicalImage(np.zeros((64, 64), np.uint8), "YX", Geometry(), "scan", "PNG", 8, (0.0, 255.0))


def matched(stems, *files):
    return [{name: path.name for name, path in one.items()} for one in match_files(stems, map(Path, files))]


def test_files_belong_to_the_image_whose_name_they_have():
    found = matched(["case_1", "case_10"], "case_1.png", "CASE_10_expert.nii.gz", "mask-case_1.png", "case_10.seg.nrrd")
    assert found == [
        {"label map": "case_1.png", "mask": "mask-case_1.png"},
        {"expert": "CASE_10_expert.nii.gz", "seg": "case_10.seg.nrrd"},
    ]


def test_images_of_nnunet_have_a_channel_and_their_masks_do_not():
    assert matched(["la_001_0000", "la_002_0000"], "la_002.nii.gz") == [{}, {"label map": "la_002.nii.gz"}]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["other.png"], r"other\.png belongs to none of the images \(a, b\).*such as a_expert"),
        (["ab.png"], "belongs to none"),
        (["a_x.png", "a-x.nii.gz"], r"a-x\.nii\.gz and a_x\.png are both for a"),
    ],
)
def test_files_of_no_image_or_of_one_twice_are_refused(files, words):
    with pytest.raises(OptionError, match=words):
        matched(["a", "b"], *files)


def test_of_one_image_is_everything():
    files = [Path("x/whatever.png"), Path("y/whatever.png")]
    (asked,) = assign(["scan"], ["net"], label_maps=files, references=[Path("r.png")], stated=[Stated("a", "b")])
    assert asked == Asked(
        ("net",), {"whatever": files[0], "whatever-2": files[1]}, Path("r.png"), stated=(Stated("a", "b"),)
    )
    with pytest.raises(OptionError, match="2 references for one image"):
        assign(["scan"], [], references=files)


def test_references_of_several_images():
    first, second = assign(["a", "b"], ["net"], references=[Path("b_seg.png")], label_maps=[Path("a.png")])
    assert (first.reference, dict(first.label_maps)) == (None, {"label map": Path("a.png")})
    assert (second.reference, second.reference_name) == (Path("b_seg.png"), "reference")
    with pytest.raises(OptionError, match=r"a_1\.png and a_2\.png are references for a"):
        assign(["a", "b"], [], references=[Path("a_1.png"), Path("a_2.png")])


class FakeEngine:
    """Takes so many seconds for each segmentation, and so many in which others had their turn."""

    runs_elsewhere, settings = False, None

    def __init__(self, taken):
        self.now, self.taken, self.calls = 0.0, list(taken), 0

    def loaded(self, name):
        return SimpleNamespace(name=name, parameters=7)

    def segment(self, image, name, *, progress, job):
        own, others = self.taken[self.calls]
        self.calls += 1
        self.now += own + others
        job.waited_s += others
        if progress:
            progress(1, 1)
        return SimpleNamespace(checkpoint=name)


@pytest.fixture
def timed(monkeypatch):
    """Segment and time one checkpoint: its cost, how often it ran, and the shares that were told."""

    def go(*taken, warm=False):
        engine, job, shares = FakeEngine(taken), SimpleNamespace(waited_s=0.0, turn=nullcontext), []
        monkeypatch.setattr(costs.time, "perf_counter", lambda: engine.now)
        monkeypatch.setattr(costs, "find_cost", lambda loaded, settings: Cost(loaded.parameters))
        ((_, cost),) = costs.segment_each(engine, IMAGE, ["net"], job)
        member = Member("net", "checkpoint", LabelMap(np.zeros((2, 2), np.uint8), ("one",)), cost=cost)
        found = costs.with_times(
            engine,
            Comparison(IMAGE, (member,)),
            {"net": "net"},
            job,
            lambda name, share, is_timing: shares.append(share),
            warm=warm,
        )
        return found.members[0].cost, engine.calls, shares

    return go


def test_the_first_time_is_loading_and_the_median_of_three_counts(timed):
    cost, calls, shares = timed((2.0, 0), (0.4, 0), (0.5, 0), (3.0, 0))
    assert (cost.seconds, cost.passes, calls) == (pytest.approx(0.5), 3, 4)
    assert cost.load_seconds == pytest.approx(1.5)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


def test_what_takes_long_is_timed_once(timed):
    cost, calls, _ = timed((9.0, 0), (8.0, 0))
    assert (cost.seconds, cost.passes, calls) == (8.0, 1, 2)
    assert cost.load_seconds == 1.0


def test_the_turns_of_others_are_no_time_of_the_network(timed):
    cost, _, _ = timed((1.0, 50), (0.5, 7), (0.5, 0), (0.5, 9))
    assert (cost.seconds, cost.load_seconds) == (pytest.approx(0.5), pytest.approx(0.5))


def test_a_warm_network_is_not_run_again(timed):
    cost, calls, _ = timed((0.5, 0), warm=True)
    assert (cost.seconds, cost.passes, cost.load_seconds, calls) == (0.5, 1, None, 1)


def test_the_engine_compares_and_times(known_engine):
    with known_engine.job() as job:
        *parts, last = compare_image(known_engine, IMAGE, Asked(("half", "strict")), job)
    assert [[member.name for member in one.members] for one in parts] == [["half"], ["half", "strict"]]
    assert [member.cost.passes for member in last.members] == [3, 3]
    assert [member.cost.passes for member in parts[-1].members] == [0, 0]
    assert all(member.cost.seconds > 0 and member.cost.memory_mb > 0 for member in last.members)


def test_files_alone_need_no_network(known_engine, tmp_path):
    for name, columns in (("a.png", 32), ("b.png", 16)):
        labels = np.zeros((64, 64), np.uint8)
        labels[:, :columns] = 1
        Image.fromarray(labels).save(tmp_path / name)
    asked = Asked(label_maps={"a": tmp_path / "a.png"}, reference=tmp_path / "b.png", reference_name="reference")
    with known_engine.job() as job:
        (found,) = compare_image(known_engine, IMAGE, asked, job)
    assert [(member.name, member.kind) for member in found.members] == [("a", "label map"), ("reference", "reference")]
    assert found.scores[0].dice == pytest.approx(2 / 3)
