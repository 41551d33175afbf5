"""Adding a checkpoint, by its handlers as plain functions: another network for the same weights."""

from functools import partial

import pytest
import segmentation_models_pytorch as smp
import torch

from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.models import add_handlers, drafts
from medseg_demo.ui.models.state import Adding


@pytest.fixture
def taken(visitor, settings, tmp_path):
    """The engine, what the form says, and what the page showed, of weights of which two networks could be."""
    shape = {"encoder_depth": 3, "decoder_channels": [8, 8, 8], "in_channels": 4, "encoder_weights": None}
    torch.save(smp.Unet("tu-efficientnet_lite0", **shape).state_dict(), tmp_path / "best.pth")
    engine, shown = Engine(settings), {}
    give = lambda place, told: drafts.from_files([tmp_path / "best.pth"], place, settings)  # noqa: E731
    for updates in visitor.run(partial(add_handlers.take, engine), give):
        shown |= updates
    return engine, add_handlers._form_of(visitor.work(Adding).draft), shown


def test_another_network_is_chosen_and_the_form_stays(taken, visitor):
    engine, form, shown = taken
    labels = [label for label, _ in shown["proposal"]["choices"]]
    assert (shown["proposal"]["visible"], labels[1]) == (True, "Unet · tu-efficientnet_lite0")
    assert "Nothing says how" in shown["recognised"]
    steps = list(visitor.run(partial(add_handlers.choose_network, engine), "1", form))
    assert (steps[0]["name"], "tu-efficientnet_lite0" in steps[0]["recognised"]) == ("best", True)
    draft = visitor.work(Adding).draft
    assert draft.described.architecture == labels[1]
    assert not draft.described.has_card
    assert form.card(draft.described.card) == draft.described.card


def test_what_a_person_corrected_is_no_assumption(taken, visitor):
    draft = visitor.work(Adding).draft
    assert not drafts.with_card(draft, draft.described.card).described.has_card
    assert drafts.with_card(draft, draft.described.card.model_copy(update={"task": "lungs"})).described.has_card
