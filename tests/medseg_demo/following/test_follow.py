"""Five visits with a known growth, followed with a real checkpoint; and what stands in the files."""

import csv
import json
from dataclasses import replace
from datetime import timedelta

import nibabel
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from medseg_demo.__main__ import main
from medseg_demo.errors import OptionError
from medseg_demo.following.files import to_document, write_follow_up
from medseg_demo.following.follow import FollowOptions, follow
from medseg_demo.following.pictures import difference, side_by_side
from medseg_demo.following.plot import follow_figure
from medseg_demo.following.repeats import varied
from medseg_demo.following.simulated import DAYS, FIRST_DAY, GROWTH, SIDE, draw_visit, write_visits
from medseg_demo.following.visits import date_in_name, in_order
from medseg_demo.following.words import lesion_sentence, notes, tables
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.samples import sample_path
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.settings import Settings

CHECKPOINT = "nuclei-unet-tiny"


def image(pixels, name):
    return MedicalImage(pixels, "YX", Geometry((0.5, 0.5)), name, "PNG", 8, (0.0, 255.0))


@pytest.fixture(scope="module")
def engine():
    return Engine(Settings(device="cpu", precision="float32"))


@pytest.fixture(scope="module")
def grown(engine):
    """The follow-up, and the true areas in mm²."""
    drawn = [draw_visit(growth, number) for number, growth in enumerate(GROWTH)]
    names = [f"secret_{number}" for number in range(5)]
    images = [image(pixels, name) for (pixels, _), name in zip(drawn, names, strict=True)]
    order = [3, 0, 4, 1, 2]
    dated = in_order([images[place] for place in order], [names[place] for place in order],
                     [str(DAYS[place]) for place in order])  # fmt: skip
    return follow(dated, CHECKPOINT, engine), [area / 4 for _, area in drawn]


def test_five_visits_come_back_within_the_stated_uncertainty(grown):
    found, areas = grown
    size = next(one for one in found.series if one.measure == "size")
    assert size.days == DAYS
    assert size.unit == "mm²"
    for change in size.since_first:
        true = 100 * (areas[change.end] / areas[0] - 1)
        assert change.percent_low < true < change.percent_high
        assert change.percent_high - change.percent_low < 12  # which is worth something
        assert change.verdict == "larger"
    years = np.array(DAYS) / 365.25
    # The network draws all borders a little too tight, which scales areas and growth alike.
    true = np.polyfit(years, areas, 1)[0] * size.values[0] / areas[0]
    assert abs(size.trend.per_year - true) < size.trend.margin


def test_the_simulated_visits_are_files_called_by_their_dates(tmp_path):
    paths = write_visits(tmp_path / "visits")
    dates = [FIRST_DAY + timedelta(days=day) for day in DAYS]
    assert [date_in_name(path.stem) for path in paths] == dates
    assert (np.asarray(Image.open(paths[3])) == draw_visit(GROWTH[3], 3)[0]).all()


def test_every_nucleus_is_found_again(grown):
    found, _ = grown
    assert lesion_sentence(found) == "Lesions: 9 through all visits; 0 new, 0 gone, 0 split, 0 merged."
    assert all(visit.laid.note == "" and visit.laid.shift_mm < 4 for visit in found.visits[1:])
    assert found.visits[0].laid is None


def test_nothing_grew_is_not_told_apart(engine):
    visits = [image(draw_visit(1.0, number)[0], str(number)) for number in (0, 5)]
    found = follow(in_order(visits, ["0", "5"], ["0", "90"]), CHECKPOINT, engine)
    assert found.series[0].since_first[0].verdict == "not told apart"


def test_new_and_gone_draw_visit(engine):
    visits = [image(draw_visit(1.0, 0)[0], "a"), image(draw_visit(1.0, 1, missing=(4,), added=True)[0], "b")]
    found = follow(in_order(visits, ["a", "b"], ["0", "90"]), CHECKPOINT, engine, options=FollowOptions(repeats=0))
    events = [one.event for one in found.lesions if one.visit]
    assert (events.count("new"), events.count("gone"), events.count("same")) == (1, 1, 8)
    assert found.series[0].since_first[0].verdict == "unknown"
    assert "no uncertainty is known" in notes(found)[0]


def test_files_hold_everything_and_name_nobody(grown, tmp_path):
    found, _ = grown
    paths = write_follow_up(found, tmp_path)
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()}
    assert {"changes.csv", "lesions.csv", "follow.json", "follow.html", "visit_01.png"} <= {one.name for one in paths}
    assert not any(b"secret" in path.read_bytes() for path in paths)
    rows = list(csv.DictReader((tmp_path / "changes.csv").open(encoding="utf-8")))
    size = [row for row in rows if row["measure"] == "size"]
    assert [int(row["day"]) for row in size] == list(DAYS)
    assert [float(row["value"]) for row in size] == pytest.approx(found.series[0].values)
    assert json.loads((tmp_path / "follow.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(to_document(found))
    )
    first, laid = (np.asarray(Image.open(tmp_path / f"visit_0{name}.png")) for name in ("1", "5_on_first"))
    assert (laid[first > 0] > 0).mean() > 0.95  # what has grown lies over what was there
    assert "https" not in (tmp_path / "follow.html").read_text(encoding="utf-8").split("<script", 1)[0]


def test_figure_and_tables(grown):
    found, _ = grown
    for theme in ("light", "dark"):
        figure = follow_figure(found, theme=theme)
        assert [trace.yaxis for trace in figure.data] == ["y", "y2", "y3", "y4"]
        assert figure.data[0].y == tuple(found.series[0].values)
        assert figure.data[1].error_y.array[0] == 0
    change, trend, lesions, visits = tables(found)
    assert len(change.rows) == 15
    assert {len(row) for row in change.rows} == {len(change.header)}
    assert len(trend.rows) == 3
    assert len(lesions.rows) == 45
    assert [row[1] for row in visits.rows] == [str(day) for day in DAYS]


def test_the_difference_is_nothing_where_only_the_scale_changed():
    pixels = np.random.default_rng(0).normal(100, 20, (20, 20)).astype(np.float32)
    first, later = image(pixels, "a"), image(2 * pixels + 7, "b")
    everywhere = np.ones(pixels.shape, bool)
    assert difference(first, later, everywhere) == pytest.approx(0, abs=1e-3)
    calibrated = difference(replace(first, unit="HU"), replace(later, unit="HU"), everywhere)
    assert calibrated == pytest.approx(pixels + 7, abs=1e-3)


def test_the_picture_shows_three_parts(grown):
    found, _ = grown
    assert side_by_side(found.visits[0], found.visits[4]).size == (3 * SIDE + 8, SIDE)


def test_a_varied_image_is_the_same_again_by_its_number():
    first = image(draw_visit(1.0, 0)[0], "a")
    (one, padding), (two, _) = (varied(first, np.random.default_rng(3)) for _ in range(2))
    assert (one.pixels == two.pixels).all()
    assert one.pixels.dtype == np.uint8
    assert one.shape == tuple(SIDE + before + after for before, after in padding)
    flat = image(np.full((16, 16), 9, np.uint8), "flat")
    assert varied(replace(flat, unit="HU"), np.random.default_rng(0))[0].pixels.std() == 0


@pytest.mark.parametrize("wrong", [{"repeats": -1}, {"repeats": 21}, {"deviation": 0.0}, {"deviation": 1.5}])
def test_options_that_make_no_sense(wrong):
    with pytest.raises(OptionError):
        FollowOptions(**wrong)


def test_crops_heat_maps_and_other_grids_without_registration_are_refused(engine):
    visits = in_order(
        [image(draw_visit(1.0, 0)[0], "a"), image(draw_visit(1.0, 1)[0][:-8], "b")], ["a", "b"], ["0", "1"]
    )
    for chosen in (SegmentOptions(crop=(0, 0, 0, 1, 8, 8)), SegmentOptions(explain="flips")):
        with pytest.raises(OptionError, match="Leave crop and explain out"):
            follow(visits, CHECKPOINT, engine, segment_options=chosen)
    with pytest.raises(OptionError, match="other shapes"):
        follow(visits, CHECKPOINT, engine, options=FollowOptions(registered=False))


@pytest.fixture
def scans(tmp_path):
    paths = [tmp_path / "in" / name for name in ("scan_2024-01-01.png", "scan_2024-07-01.png")]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        Image.fromarray(draw_visit(GROWTH[3 * number], number)[0]).save(path)
    return [str(path) for path in paths]


def test_the_command(scans, tmp_path, capsys):
    output = tmp_path / "out"
    arguments = ["follow", *reversed(scans), "--checkpoint", CHECKPOINT, "--repeats", "1", "--output", str(output)]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "Day 182" in printed.out
    assert "increased" in printed.out
    assert printed.err.index("visit 1, day 0: scan_2024-01-01") < printed.err.index("visit 2, day 182")
    assert (output / "follow.html").is_file()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--dates", "2024-01-01"], "1 dates were given for 2 studies"),
        (["--dates", "5", "5"], "same date"),
        (["--repeats", "99"], "Choose 0 to 20"),
        (["--deviation", "0"], "between 0 and 100 %"),
    ],
)
def test_the_command_refuses_in_words(scans, tmp_path, capsys, more, words):
    arguments = ["follow", *scans, "--checkpoint", CHECKPOINT, "--output", str(tmp_path / "out")]
    assert main([*arguments, *more]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_study_and_an_output_beside_the_inputs_are_refused(scans, tmp_path, capsys):
    assert main(["follow", scans[0], "--checkpoint", CHECKPOINT, "--output", str(tmp_path / "out")]) == 2
    assert "1 study was given" in capsys.readouterr().err
    assert main(["follow", *scans, "--checkpoint", CHECKPOINT, "--output", str(tmp_path / "in")]) == 2
    assert "lies there" in capsys.readouterr().err


@pytest.mark.slow
def test_volumes_that_shrink_come_back_within_the_stated_uncertainty(tmp_path, capsys):
    sample = nibabel.load(sample_path("hippocampus"))
    voxels, scans = np.asarray(sample.dataobj, np.float32), []
    for number, side in enumerate((1.0, 0.94)):
        offset = (np.array(voxels.shape) - 1) / 2 * (1 - 1 / side) + 0.7 * number
        seen = ndimage.affine_transform(voxels, np.eye(3) / side, offset, order=3, mode="nearest")
        scans.append(str(tmp_path / f"scan_202{4 + number}-01-01.nii.gz"))
        noise = np.random.default_rng(number).normal(0, 2, seen.shape)
        nibabel.save(nibabel.Nifti1Image((seen + noise).clip(0).astype(np.int16), sample.affine), scans[-1])
    arguments = ["--checkpoint", "hippocampus-unet3d", "--repeats", "2", "--output", str(tmp_path / "out"), "--json"]
    assert main(["follow", *scans, *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    sizes = [row for row in found["changes"] if row["measure"] == "size" and row["visit"] == 2]
    assert [(row["class_name"], row["unit"], row["day"]) for row in sizes] == [
        ("anterior", "ml", 366),
        ("posterior", "ml", 366),
    ]
    for row in sizes:
        assert row["percent_low"] < 100 * (0.94**3 - 1) < row["percent_high"]
        assert row["percent"] == pytest.approx(100 * (0.94**3 - 1), abs=5)
    assert 0.5 < float(np.linalg.norm(found["visits"][1]["registration"]["shift"])) < 3
    first, laid = (np.asarray(nibabel.load(tmp_path / "out" / f"{name}.nii.gz").dataobj)
                   for name in ("visit_01", "visit_02_on_first"))  # fmt: skip
    assert first.shape == laid.shape == voxels.shape
    assert 2 * np.sum((first > 0) & (laid > 0)) / (np.sum(first > 0) + np.sum(laid > 0)) > 0.85
