"""The viewer as a Gradio component."""

from collections.abc import Mapping, Sequence
from typing import Literal

import gradio as gr

from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, Plane, viewer_script, viewer_value
from medseg_demo.rendering.editing import ShownEditing
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation


def Viewer(  # noqa: N802 (used like Gradio's own components)
    value: dict[str, object] | None = None,
    *,
    label: str = "Viewer",
    elem_id: str | None = None,
    elem_classes: list[str] | str | None = None,
    visible: bool | Literal["hidden"] = True,
) -> gr.HTML:
    """A viewer whose value is a dict of ``viewer_value`` (None: nothing yet).

    A value with a new ``key`` replaces what is shown; zoom, window and slice stay where the image is the same. A
    value with the key that is shown adds its slices to those that the browser keeps.

    Events, beside Gradio's own:

    * ``viewer.change_slice(handler, inputs, viewer)``: slices of a volume are wanted that the browser does not
      have. The handler takes ``event: gr.EventData`` with ``event.plane``, ``event.slice`` (wanted now),
      ``event.slices`` (those to send, the wanted one first), ``event.channels`` (of an image whose channels are no
      colours, those to send) and ``event.key``, and returns a value of those slices with that key::

          def send_slices(segmentation, event: gr.EventData):
              return segmentation_value(
                  segmentation, plane=event.plane, slice_indices=event.slices, channels=event.channels,
                  key=event.key,
              )

          viewer.change_slice(send_slices, state, viewer, queue=False, show_progress="hidden")

    * ``viewer.select(handler)``: a click; ``event: gr.EventData`` has ``x``, ``y`` and ``z`` (indices of the
      image), ``plane``, ``slice`` (of that plane) and ``index`` ([z, y, x]). Here and above a plane is one of the
      array, "axial" across z, whatever it is called on the page.
    * ``viewer.navigate(handler)``: the keys J and K; ``event.step`` is 1 or −1.
    * ``viewer.threshold(handler)``: a threshold was moved and let go; ``event.prediction`` is whose (from 0),
      ``event.value`` the threshold, ``event.key`` that of the value, ``event.point`` where the planes cross. Whoever
      decides the result again gives its value that point, so that the slices come with it that are being looked at.

    * ``viewer.crop(handler)``: the crop box was drawn, moved or removed; ``event.box`` is [z0, y0, x0, z1, y1, x1] in
      voxels of the array, ends exclusive (z 0 and 1 of an image), as ``SegmentOptions.crop`` takes it, or None. Offered
      where the value says ``can_crop``; a value shows the box that it carries, and none where it carries none.

    * ``viewer.edit``, ``viewer.fill_between``, ``viewer.copy`` and ``viewer.edited``: a label map is corrected by hand,
      where the value says so (``editing``). ``medseg_demo.ui.correct`` handles the first three for every tab;
      ``edited`` comes once after the last of several edits, with ``event.key`` and ``event.revision``, for what a tab
      shows beside the viewer. Answers are an ``EditAnswer`` in place of a value.

    A control of the page moves the viewer's slider and box in turn by a value without slices and key, which is cheap::

        def follow(segmentation, threshold: float, crop: list[int] | None):
            return segmentation_value(segmentation, thresholds=[threshold], crop=crop, slice_indices=[], key="")
    """
    return gr.HTML(
        value,
        label=label,
        html_template='<div class="mv-host"></div>',
        js_on_load=viewer_script("gradio"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=elem_classes,
        visible=visible,
    )


def image_value(
    image: MedicalImage,
    label_maps: Mapping[str, LabelMap] | None = None,
    *,
    crop: Sequence[int] | None = None,
    plane: Plane = "axial",
    point: Sequence[int] | None = None,
    slice_indices: Sequence[int] | None = None,
    channels: Sequence[int] = (0,),
    key: str | None = None,
) -> dict[str, object]:
    """An image that no network has seen, as the viewer's value, with the label maps over it, by their names.

    The other arguments are those of ``viewer_value``.
    """
    return viewer_value(
        image,
        [NamedPrediction(name, label_map) for name, label_map in (label_maps or {}).items()],
        can_crop=True,
        crop=crop,
        plane=plane,
        point=point,
        slice_indices=slice_indices,
        channels=channels,
        key=key,
    )


def segmentation_value(
    segmentation: Segmentation,
    *,
    plane: Plane = "axial",
    slice_index: int | None = None,
    point: Sequence[int] | None = None,
    slice_indices: Sequence[int] | None = None,
    channels: Sequence[int] = (0,),
    thresholds: Sequence[float | None] | None = None,
    crop: Sequence[int] | None = None,
    editing: ShownEditing | None = None,
    key: str | None = None,
    reference: LabelMap | None = None,
) -> dict[str, object]:
    """A finished segmentation as the viewer's value; the arguments are those of ``viewer_value``.

    The crop box is that of the page's control, which the result need not have been made with.
    """
    prediction = NamedPrediction(
        segmentation.checkpoint,
        segmentation.label_map,
        segmentation.probabilities,
        segmentation.threshold,
        describe_postprocessing(segmentation.options),
        heat=segmentation.heat,
    )
    return viewer_value(
        segmentation.image,
        [prediction],
        reference=reference,
        model_input=None if segmentation.card.is_3d else segmentation.model_input,  # a 3-D network saw no slices
        can_crop=True,
        crop=crop,
        editing=editing,
        plane=plane,
        slice_index=slice_index,
        point=point,
        slice_indices=slice_indices,
        channels=channels,
        thresholds=thresholds,
        key=key,
    )


def describe_postprocessing(options: SegmentOptions) -> str:
    """In words, what is done to a label map after the threshold; empty for nothing."""
    steps = []
    if options.smallest_component > 1:
        steps.append(f"components under {options.smallest_component} px removed")
    if options.fill_holes:
        steps.append("holes filled")
    return " and ".join(steps)
