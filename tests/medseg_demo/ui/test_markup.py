import pytest

from medseg_demo.ui import markup

EVIL = '<img src=x onerror="alert(1)">'


@pytest.mark.parametrize(
    "html",
    [
        markup.panel("error", EVIL, [EVIL]),
        markup.busy(EVIL),
        markup.facts([(EVIL, EVIL)]),
        markup.bullets([EVIL]),
        markup.small(EVIL),
        markup.heading(EVIL),
        markup.hint(EVIL),
        markup.table(EVIL, [EVIL], [[EVIL, EVIL]]),
        markup.card(EVIL, note=EVIL),
    ],
)
def test_texts_never_become_elements(html):
    assert "<img" not in html
    assert "&lt;img" in html


def test_an_error_is_announced_at_once_and_the_rest_in_time():
    assert 'role="alert"' in markup.panel("error", "title")
    assert 'role="status"' in markup.panel("warning", "title")


def test_no_lines_make_no_list():
    assert markup.bullets([]) == ""


def test_the_first_cell_names_its_row():
    assert '<th scope="row">lung</th><td>12 px</td>' in markup.table(
        "Measurements", ["Class", "Area"], [["lung", "12 px"]]
    )


def test_a_long_name_keeps_its_end_and_says_itself_whole():
    assert markup.name("lungs-unet") == "lungs-unet"
    assert markup.name("hippocampus-unet3d") == (
        '<span class="ms-name" title="hippocampus-unet3d"><span>hippocam</span><span>pus-unet3d</span></span>'
    )
