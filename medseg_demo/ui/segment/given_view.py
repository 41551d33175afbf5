"""What was given, in the viewer before any network ran: the image alone, or under a label map that is laid over it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr

from medseg_demo import names
from medseg_demo.errors import OptionError, UnsupportedImageError
from medseg_demo.image import LabelMap
from medseg_demo.reading import read_image, read_label_map
from medseg_demo.reading.labels import compare_geometry
from medseg_demo.rendering import Plane
from medseg_demo.segmenting.crop import Box, check_inside, to_box
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.settings import Settings
from medseg_demo.ui import markup, texts
from medseg_demo.ui.code_view import code_updates
from medseg_demo.ui.segment import correct_handlers, result_view
from medseg_demo.ui.segment.state import Work
from medseg_demo.ui.slice_requests import wanted_channels, wanted_slices
from medseg_demo.ui.viewer import image_value, segmentation_value


def show(work: Work) -> dict[str, object]:
    """The given image in the viewer; an earlier result leaves the page."""
    given = work.given
    left = correct_handlers.leave(work)
    if work.run is not None and work.run.folder is not None:
        work.outdated.append(work.run.folder)  # which a run that goes on may be writing to
    work.run = None
    several = len(given.studies) > 1
    place = texts.TURN_OVER.format(number=given.position + 1, count=len(given.studies))
    value = None
    if given.image is not None:
        value = image_value(given.image, _label_maps(work), crop=shown_box(work, given.crop))
        work.given = replace(given, key=str(value["key"]))
    return {
        "viewer": value,
        "heading": markup.card(place, markup.small(texts.TURN_OVER_KEYS)) if several else "",
        "measurements": "",
        "stale": "",
        "gallery": gr.update(value=None, visible=False),
        "downloads": gr.update(visible=False),
        "surface_panel": gr.update(visible=False),
        **code_updates(None),
        **over_table(work),
        **left,
    }


def show_neighbour(settings: Settings, work: Work, step: int) -> dict[str, object]:
    """The next (1) or previous (-1) of several images that were given, round from the last to the first."""
    given = work.given
    position = (given.position + step) % len(given.studies)
    work.given = replace(given, position=position, image=None)
    image = read_image(given.studies[position], settings=settings)
    work.given = replace(work.given, image=image)
    return show(work) | fresh_slot(work)


def fresh_slot(work: Work) -> dict[str, object]:
    """Where a label map is laid over another image than before, if only one is given."""
    visible = work.given.image is not None and len(work.given.studies) == 1
    return {"over": gr.update(value=None, visible=visible), "over_note": ""}


def lay_over(settings: Settings, work: Work, path: Path | None) -> dict[str, object]:
    """A label map over the image in the viewer, which may be a result: then it is its reference. None takes it away.

    Raises:
        MedsegError: It is no label map, or none of this image.
    """
    given = work.given
    if path is None:
        work.given = replace(given, over=None, over_name="")
    else:
        if given.image is None:
            raise OptionError(texts.NO_IMAGE_BELOW)
        label_map = read_label_map(path, image=given.image, settings=settings)
        name = names.shown(path.name)
        if clauses := compare_geometry(given.image, label_map, role="it"):
            raise UnsupportedImageError(texts.NOT_OF_THE_IMAGE.format(name=name, why=" and ".join(clauses)))
        work.given = replace(given, over=label_map, over_name=name)
    if work.run is not None and work.run.shown is not None:
        return {"viewer": result_value(work, work.run.shown), **over_table(work)}
    return show(work)


def result_value(work: Work, segmentation: Segmentation, *, point: Sequence[int] | None = None) -> dict[str, object]:
    """A result in the viewer, with its reference where one was laid over the image."""
    reference = work.reference_of(segmentation)
    crop = _box_over(work, segmentation)
    return correct_handlers.value_of(work, segmentation, reference=reference, point=point, crop=crop)


def follow_crop(work: Work) -> dict[str, object] | None:
    """The crop box of the page over what is in the viewer, which stays; None where nothing is there."""
    given, run = work.given, work.run
    if run is not None and run.shown is not None:
        return segmentation_value(run.shown, crop=_box_over(work, run.shown), slice_indices=[], key="")
    if given.image is not None:
        return image_value(given.image, _label_maps(work), crop=shown_box(work, given.crop), slice_indices=[], key="")
    return None


def _box_over(work: Work, segmentation: Segmentation) -> Box | None:
    """The crop box of the page, or that of the result where it is another image's."""
    given = work.given
    if given.image is None or given.image.pixels is not segmentation.image.pixels:
        return segmentation.options.crop
    return shown_box(work, given.crop)


def slices(work: Work, plane: Plane, indices: Sequence[int], key: str, channels: object) -> object:
    """Slices that the browser asks for of what is in the viewer, a result or what was given."""
    given, run = work.given, work.run
    if given.image is not None and key == given.key:
        wanted, sent = wanted_slices(given.image, plane, indices), wanted_channels(given.image, channels)
        return image_value(given.image, _label_maps(work), plane=plane, slice_indices=wanted, channels=sent, key=key)
    if run is None or run.shown is None:
        return gr.skip()
    image = run.shown.image
    return correct_handlers.value_of(
        work,
        run.shown,
        plane=plane,
        slice_indices=wanted_slices(image, plane, indices),
        channels=wanted_channels(image, channels),
        reference=work.reference_of(run.shown),
        key=key,
    )


def shown_box(work: Work, crop: str) -> Box | None:
    """The crop box of the page, where it is one of the image."""
    try:
        box = to_box(crop) if crop and work.given.image is not None else None
        if box is not None and work.given.image is not None:
            check_inside(box, work.given.image)
    except OptionError:
        return None
    return box


def over_table(work: Work) -> dict[str, object]:
    """The measurements of what is laid over the image."""
    given = work.given
    if given.over is None or given.image is None:
        return {"over_table": ""}
    return {"over_table": result_view.laid_over(given.over, given.over_name, given.image)}


def _label_maps(work: Work) -> dict[str, LabelMap]:
    given = work.given
    return {} if given.over is None else {given.over_name: given.over}
