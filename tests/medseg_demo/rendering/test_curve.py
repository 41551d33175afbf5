"""The curve of areas: where its lines lie, what it says, and how much of it is drawn."""

import re
import xml.etree.ElementTree as ET

import pytest

from medseg_demo.rendering import hex_colour
from medseg_demo.rendering.curve import HEIGHT, LEFT, MOST_POINTS, RIGHT, TOP, WIDTH, curve_svg


def parsed(text):
    return ET.fromstring(f"<div>{text}</div>")


def points(root):
    lines = root.iter("polyline")
    return [[tuple(map(float, pair.split(","))) for pair in line.get("points").split()] for line in lines]


def test_a_line_a_class_at_its_places():
    root = parsed(curve_svg([0, 1, 2], [(0, 50), (100, 50), (50, 50)], ["left", "a <b> & c"], unit="px"))
    first, second = points(root)
    assert [x for x, _ in first] == pytest.approx([LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT])
    assert first[1][1] == pytest.approx(TOP)
    assert first[0][1] > first[2][1] > first[1][1]
    assert len({y for _, y in second}) == 1
    assert all(0 <= y <= HEIGHT for line in (first, second) for _, y in line)
    assert [line.get("stroke") for line in root.iter("polyline")] == [hex_colour(1), hex_colour(2)]
    assert [item.text or "" for item in root.iter("li")] == ["", ""]
    assert re.sub(r"\s+", " ", "".join(root.itertext())).endswith("left: 50 pxa <b> & c: 50 px")


def test_lines_are_told_apart_without_colour():
    root = parsed(curve_svg([0, 1], [(1, 2), (1, 2)], ["a", "b"], unit="px"))
    assert len({line.get("stroke-dasharray") for line in root.iter("polyline")}) == 2


@pytest.mark.parametrize("frames", [1, MOST_POINTS, 10 * MOST_POINTS + 1])
def test_of_many_frames_means_are_drawn(frames):
    root = parsed(curve_svg(list(range(frames)), [(7,)] * frames, ["a"], unit="px"))
    (line,) = points(root)
    assert len(line) <= MOST_POINTS
    assert len({y for _, y in line}) == 1


def test_nothing_without_a_frame_and_a_flat_line_without_an_area():
    assert curve_svg([], [], ["a"], unit="px") == ""
    ((point,),) = points(parsed(curve_svg([0.0], [(0,)], ["a"], unit="px")))
    assert point[1] == pytest.approx(HEIGHT - 26)
