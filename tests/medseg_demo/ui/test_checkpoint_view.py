from dataclasses import replace

import pytest

from medseg_demo.models.card import TrainingData
from medseg_demo.models.catalog import CatalogEntry
from medseg_demo.ui import checkpoint_view


def entry(card, tmp_path, name="lungs") -> CatalogEntry:
    return CatalogEntry(name, tmp_path, card, "Unet · resnet", None)


def test_a_card_names_credit_licence_and_figures(card, tmp_path):
    card = card.model_copy(
        update={
            "training_data": (TrainingData(name="Set A", licence="CC BY 4.0", credit="A. Author"),),
            "scores": {"test": {"dice_mean": 0.91234, "n": 40, "by_stain": {"pink": {"n": 3}}}, "val": {"n": 9}},
        }
    )
    html = checkpoint_view.entry_card(entry(card, tmp_path))
    assert "Set A. Licence: CC BY 4.0. Credit: A. Author" in html
    assert "<td>0.912</td><td>40</td>" in html
    assert "<td>–</td><td>9</td>" in html
    assert "stain" not in html
    assert "whole image resized to 64 × 64 px, grey" in html


def test_what_was_not_checked_is_said(card, tmp_path):
    assert "Not checked" not in checkpoint_view.entry_card(entry(card, tmp_path))
    html = checkpoint_view.entry_card(replace(entry(card, tmp_path), note="A .pth is checked on loading."))
    assert "<p>A .pth is checked on loading.</p>" in html


def test_choices_lead_with_the_name(card, tmp_path):
    assert checkpoint_view.choices([entry(card, tmp_path)]) == [("lungs · bright things", "lungs")]


def test_notes_leave_the_front_matter_out(card, tmp_path):
    assert checkpoint_view.notes(entry(card, tmp_path)) == ""
    (tmp_path / "README.md").write_text("---\ntags: [a]\n---\n# Lungs\n")
    assert checkpoint_view.notes(entry(card, tmp_path)) == "# Lungs"


def test_notes_ask_nobody_for_anything(card, tmp_path):
    (tmp_path / "README.md").write_text("![a](http://x/y.png) <img src='http://x'> <script>x</script> 1 < 2\n")
    assert checkpoint_view.notes(entry(card, tmp_path)) == "[a](http://x/y.png)  x 1 < 2"


@pytest.mark.parametrize(
    ("hidden", "left"),
    [
        ("<<a>img src=http://x>", "< img src=http://x>"),
        ("<img alt='<' src=http://x>", "< img alt='<' src=http://x>"),
        ("!<a>[b](http://x)", "[b](http://x)"),
        ("> ```Mermaid\n> A@{ img: 'http://x' }", "> ```\n> A@{ img: 'http://x' }"),
    ],
)
def test_notes_ask_nobody_however_it_is_written(card, tmp_path, hidden, left):
    (tmp_path / "README.md").write_text(hidden)
    assert checkpoint_view.notes(entry(card, tmp_path)) == left


def test_unusable_ones_come_with_the_reason(engine):
    html = checkpoint_view.unusable(engine.entries())
    assert "broken" in html
    assert "no config.json" in html
    assert "bright" not in html


def test_weaknesses_are_found_in_the_notes(card, tmp_path):
    (tmp_path / "README.md").write_text("# Lungs\n\nGood.\n\n## Where it is weak\n\n- Children.\n\n## Data\n\nA set.\n")
    assert checkpoint_view.weaknesses(entry(card, tmp_path)) == "## Where it is weak\n\n- Children."
    (tmp_path / "README.md").write_text("# Lungs\n")
    assert checkpoint_view.weaknesses(entry(card, tmp_path)) == ""
