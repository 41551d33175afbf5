"""Correcting a label map of a comparison by hand, and comparing the corrected one with the others.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

from dataclasses import replace
from pathlib import Path

import gradio as gr

from evaluation.comparison.members import MOST, REFERENCE, Comparison, Member, with_consensus
from evaluation.ui.compare import texts, view
from evaluation.ui.compare.results import Updates, whole_result
from evaluation.ui.compare.run import written_anew
from evaluation.ui.compare.state import Work
from evaluation.ui.corrections import texts as said
from evaluation.ui.corrections import view as corrections
from medseg_demo import names
from medseg_demo.errors import OptionError
from medseg_demo.image import LabelMap
from medseg_demo.ui import markup
from medseg_demo.ui.correct.corrections import Corrected


def choose(work: Work, name: str | None) -> Updates:
    """Correct the label map of that name from now on; an empty name ends that, and keeps what was changed."""
    result = work.result
    if result is None or result.comparison is None:
        return {"status": markup.panel("warning", texts.EXPIRED_TITLE, [texts.EXPIRED])}
    found = result.comparison
    places = [at for at, one in enumerate(found.shown) if one.name == name and one in found.predictions]
    if not places:
        work.correcting.close()
        choices = [(one.name, one.name) for one in found.predictions]
        nothing = {**corrections.nothing_chosen(choices), "correct_add": gr.update(visible=False)}
        return {"viewer": view.viewer_value(found), **nothing}
    beside = [found.reference.label_map] if found.reference else []
    shown = [(one.name, one.label_map) for one in found.shown]
    one = result.shown
    place = (one.name if one else "", shown[places[0]][0])
    with work.correcting.opening:
        if work.correcting.is_open(place, shown, beside):
            return {}
        corrected, dropped = work.correcting.open(place, shown, places[0], beside, image=found.image)
        value = view.viewer_value(found, corrected=corrected)
        work.correcting.show(value)
    return {
        "viewer": value,
        **corrections.chosen(corrected, found.image, _against(found, corrected), dropped=dropped),
        "correct_add": gr.update(visible=True),
    }


def describe(work: Work) -> Updates:
    """After edits: how they change the Dice against the reference and the others."""
    corrected, result = work.correcting.current, work.result
    if corrected is None or result is None or result.comparison is None:
        return {}
    against = _against(result.comparison, corrected)
    return {"corrected": corrections.described(corrected, against), "correct_file": gr.update(visible=False)}


def write(work: Work, file_format: str, folder: Path) -> Updates:
    """Write the corrected label map for download."""
    if work.result is None or work.result.comparison is None:
        return {"corrected": corrections.unchanged()}
    return corrections.write(work.correcting, work.result.comparison.image, file_format, folder)


def add(work: Work, folder: Path, address: str) -> Updates:
    """Compare the corrected label map with the others, as one more; the one that it came from is as it was."""
    before, corrected = work.result, work.correcting.current
    if before is None or before.comparison is None or corrected is None or not corrected.correction.is_changed:
        return {"corrected": corrections.unchanged()}
    against = _against(before.comparison, corrected)
    card = corrections.described(corrected, against)
    try:
        if len(before.studies) > 1 or len(before.outcomes) != 1:
            raise OptionError(texts.ONE_IMAGE)
        member = corrected_member(before.comparison, corrected)
        result = written_anew(before, with_member(before.comparison, member), folder)
        updates = whole_result(work, result, len(before.comparison.members) + 1, address)
    except Exception as error:
        return {"corrected": corrections.problem(error)}
    if work.result is not before:  # a run has brought another one meanwhile
        return {}
    work.result = result
    work.correcting.forget(corrected)
    panel = markup.panel("good", texts.ADDED_TITLE.format(name=member.name), [texts.ADDED])
    return {**updates, "corrected": panel + card}


def corrected_member(comparison: Comparison, corrected: Corrected) -> Member:
    """What was corrected as a label map of its own.

    Raises:
        OptionError: There are as many as can be compared.
    """
    if len(comparison.predictions) >= MOST:
        raise OptionError(texts.NO_MORE.format(count=MOST))
    correction = corrected.correction
    own, label_map = correction.name, correction.label_map
    total = len(label_map.labels) if label_map.is_volume else 1
    how = said.spent(len(correction.changed_slices()), total, correction.seconds)
    note = texts.CORRECTED_NOTE.format(name=own, how=how)
    name = names.free_name(f"{own}-corrected", [one.name for one in comparison.shown])
    return Member(
        name, "label map", LabelMap(label_map.labels, label_map.class_names, label_map.geometry), notes=(note,)
    )


def with_member(comparison: Comparison, member: Member) -> Comparison:
    """The comparison with one more label map, before the reference; the consensus is made anew."""
    experts = [one for one in comparison.members if one.kind == REFERENCE]
    members = (*comparison.predictions, member, *experts)
    return with_consensus(replace(comparison, members=members, consensus=None), comparison.method)


def _against(comparison: Comparison, corrected: Corrected) -> dict[str, LabelMap]:
    """The reference first, then the other label maps."""
    others = [one for one in comparison.predictions if one.name != corrected.correction.name]
    experts = [comparison.reference] if comparison.reference else []
    return {one.name: one.label_map for one in (*experts, *others)}
