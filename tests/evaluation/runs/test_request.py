import math
from dataclasses import replace

import pytest

from evaluation.runs.prediction_folder import label_maps_in
from evaluation.runs.request import Predictions, RunOptions, check_request
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.test_sets.test_set import read_test_set


@pytest.fixture
def test_set(make_test_set):
    return read_test_set(make_test_set(cases=2))


def test_label_maps_are_found_by_stem_and_other_files_ignored(tmp_path):
    for name in ("a.png", "b.nii.gz", "summary.json", ".hidden.png", "notes"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert list(label_maps_in(tmp_path)) == ["a", "b"]
    (tmp_path / "a.tif").write_bytes(b"")
    with pytest.raises(OptionError, match=r"a\.png and a\.tif are of one case"):
        label_maps_in(tmp_path)
    with pytest.raises(OptionError, match="no such folder"):
        label_maps_in(tmp_path / "none")


def test_a_header_and_its_voxels_are_one_label_map(tmp_path):
    for name in ("a.hdr", "a.img", "b.hdr.gz", "b.img.gz"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in label_maps_in(tmp_path).values()] == ["a.hdr", "b.hdr.gz"]


def test_a_sound_request_knows_matches_and_files(test_set, brightness):
    given = Predictions(test_set.folder / "masks", "observer")
    request = check_request([test_set], [brightness], [given], RunOptions())
    assert request.matches[0][0].labels.class_names == ("bright",)
    assert sorted(request.files["observer"]) == ["case_00", "case_01"]
    assert request.own_labels == {"observer": None}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RunOptions(metrics=("dise",)), "Unknown metric: dise"),
        (RunOptions(tolerance=-1.0), "tolerance"),
        (RunOptions(tolerance=math.nan), "tolerance"),
    ],
)
def test_unusable_options_are_refused(test_set, brightness, options, message):
    with pytest.raises(OptionError, match=message):
        check_request([test_set], [brightness], [], options)


def test_a_tolerance_of_a_class_that_does_not_exist_is_refused_by_its_name(test_set, brightness):
    check_request([test_set], [brightness], [], RunOptions(tolerance={"bright": 2.0, "": 1.0}))
    with pytest.raises(TestSetError, match=r"class 'tumor', which no test set has\. Its classes: bright\."):
        check_request([test_set], [brightness], [], RunOptions(tolerance={"tumor": 2.0}))


def test_nothing_to_score_is_refused(test_set, brightness):
    for test_sets, checkpoints in (([], [brightness]), ([test_set], [])):
        with pytest.raises(OptionError, match="nothing to score"):
            check_request(test_sets, checkpoints, [], RunOptions())


def test_two_of_one_name_are_refused(test_set, brightness):
    given = Predictions(test_set.folder / "masks", "brightness")
    with pytest.raises(OptionError, match="called brightness"):
        check_request([test_set], [brightness], [given], RunOptions())


def test_predictions_of_no_case_are_refused(test_set, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "case_07.png").write_bytes(b"")
    with pytest.raises(TestSetError, match=r"'theirs': no label map is named like a case \(a case is 'case_00'\)"):
        check_request([test_set], [], [Predictions(tmp_path / "theirs", "theirs")], RunOptions())


def test_classes_that_checkpoints_lack_are_all_listed(make_test_set, brightness):
    test_sets = []
    for name in ("first", "second"):
        folder = make_test_set(name, cases=1)
        (folder / "dataset.json").write_text('{"labels": {"background": 0, "nerve": 1, "vessel": 2}}')
        test_sets.append(read_test_set(folder))
    with pytest.raises(TestSetError) as caught:
        check_request(test_sets, [brightness], [], RunOptions())
    assert len(caught.value.faults) == 2
    assert "nerve, vessel, which checkpoint 'brightness'" in caught.value.faults[0]


def test_a_test_set_of_other_channels_than_the_checkpoint_takes_is_refused(test_set, brightness):
    cases = [
        replace(case, image_paths=case.image_paths * 3, channel_names=("T1", "T2", "ADC")) for case in test_set.cases
    ]
    with pytest.raises(TestSetError) as caught:
        check_request([replace(test_set, cases=tuple(cases))], [brightness], [], RunOptions())
    (fault,) = caught.value.faults
    assert "has images of 3 channels (T1, T2, ADC), and checkpoint 'brightness' takes 1" in fault
    takes_three = replace(brightness, card=brightness.card.model_copy(update={"in_channels": 3}))
    check_request([replace(test_set, cases=tuple(cases))], [takes_three], [], RunOptions())
