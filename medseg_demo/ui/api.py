"""The web API: ``/segment``, ``/explain`` and ``/checkpoints``, thin over the same functions as the page."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import gradio as gr
from gradio.components import Component

from medseg_demo.errors import OptionError, ReadError
from medseg_demo.models.catalog import to_records
from medseg_demo.names import safe_stem
from medseg_demo.reading import inspect_file, read_image
from medseg_demo.reading.studies import is_zip
from medseg_demo.segmenting.channels import to_channels
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.settings import Settings
from medseg_demo.ui import texts
from medseg_demo.ui.faults import explain
from medseg_demo.ui.session import API, Running, Sessions
from medseg_demo.ui.tab import RUNS_AT_ONCE
from medseg_demo.writing.deidentify import deidentified, pseudonyms
from medseg_demo.writing.heat_map import write_heat_map
from medseg_demo.writing.label_map import write_label_map
from medseg_demo.writing.measurements import summary

Answer = tuple[str, dict[str, object]]
Denoise = Literal["none", "mean", "gaussian", "median"]


@contextmanager
def client_run(
    sessions: Sessions, request: gr.Request, explain: Callable[[Exception], str] = explain
) -> Iterator[Running]:
    """The run of one call, which ends when its client goes away; what goes wrong is told in words."""
    try:
        with sessions.of_client(request).running(API) as running:
            yield running
    except gr.Error:  # one run too many
        raise
    except Cancelled:
        raise gr.Error(texts.CANCELLED, print_exception=False) from None
    except Exception as error:
        raise gr.Error(explain(error), print_exception=False) from None


def described_by(function: Callable[..., object]) -> Callable[[Callable], Callable]:
    """Give an endpoint the words of the function that answers it: what a caller reads stands once.

    Gradio makes the description of the web API of them. It takes each parameter's first line, and all that comes
    after "Returns:", so that what is raised is left out.
    """

    def describe(endpoint: Callable) -> Callable:
        endpoint.__doc__ = (inspect.getdoc(function) or "").partition("\n\nRaises:")[0]
        return endpoint

    return describe


def add_endpoints(engine: Engine, sessions: Sessions) -> None:
    """Add the endpoints to the open block; nothing of them shows on the page."""

    @described_by(segment_file)
    def segment(
        request: gr.Request,
        file: str,
        checkpoint: str,
        threshold: float | None = None,
        flips: bool = False,
        denoise: Denoise | None = None,
        smallest_component: int = 0,
        fill_holes: bool = False,
        volume: int | None = None,
        channels: bool = False,
        crop: list[int] | None = None,
        deidentify: bool = False,
        channel_order: str = "",
    ) -> Answer:
        with client_run(sessions, request) as running:
            return segment_file(
                engine, file, checkpoint, threshold=threshold, flips=flips, denoise=denoise,
                smallest_component=smallest_component, fill_holes=fill_holes, volume=volume, channels=channels,
                crop=crop, deidentify=deidentify, channel_order=channel_order, running=running,
            )  # fmt: skip

    @described_by(explain_file)
    def explain(
        request: gr.Request,
        file: str,
        checkpoint: str,
        explain: str,
        denoise: Denoise | None = None,
        volume: int | None = None,
        channels: bool = False,
        crop: list[int] | None = None,
        channel_order: str = "",
    ) -> Answer:
        with client_run(sessions, request) as running:
            return explain_file(
                engine, file, checkpoint, explain, denoise=denoise, volume=volume, channels=channels, crop=crop,
                channel_order=channel_order, running=running,
            )  # fmt: skip

    def checkpoints() -> list[dict[str, object]]:
        """List the checkpoints: name, task, classes, modality, image size, measured Dice; why one is unusable.

        Choose one whose task and modality are those of the image: a network gives a label map of any image, also of one
        that it has never seen the like of.
        """
        return to_records(engine.entries())

    inputs: dict[str, Component] = {str(one.label): one for one in (
        gr.File(label="file", visible=False),
        gr.Textbox(label="checkpoint", visible=False),
        gr.Number(label="threshold", value=None, visible=False),
        gr.Checkbox(label="flips", visible=False),
        gr.Textbox(label="denoise", value=None, visible=False),
        gr.Number(0, label="smallest_component", visible=False),
        gr.Checkbox(label="fill_holes", visible=False),
        gr.Number(label="volume", value=None, visible=False),
        gr.Checkbox(label="channels", visible=False),
        gr.JSON(label="crop", value=None, visible=False),
        gr.Checkbox(label="deidentify", visible=False),
        gr.Textbox("", label="channel_order", visible=False),
    )}  # fmt: skip
    asked = gr.Textbox(label="explain", visible=False)
    label_map, measurements = gr.File(label="label_map", visible=False), gr.JSON(label="measurements", visible=False)
    heat_map = gr.File(label="heat_map", visible=False)
    of_explain = ("file", "checkpoint", "", "denoise", "volume", "channels", "crop", "channel_order")
    for name, endpoint, given, file in (
        ("segment", segment, [*inputs.values()], label_map),
        ("explain", explain, [inputs.get(one, asked) for one in of_explain], heat_map),
    ):
        gr.Button(visible=False).click(
            endpoint, given, [file, measurements], api_name=name, concurrency_id="api", concurrency_limit=RUNS_AT_ONCE
        )
    listing = gr.JSON(label="checkpoints", visible=False)
    gr.Button(visible=False).click(checkpoints, None, listing, api_name="checkpoints", concurrency_limit=None)


def segment_options(
    threshold: object,
    flips: object,
    denoise: object,
    smallest_component: object,
    fill_holes: object,
    crop: object = None,
    channel_order: object = "",
) -> SegmentOptions:
    """Options from what was sent, which Gradio passes on whatever it is.

    Raises:
        OptionError: A value is of another kind, or out of its range.
    """
    if not isinstance(threshold, int | float | None):
        raise OptionError(texts.NO_NUMBER.format(value=threshold))
    if not isinstance(smallest_component, int | None):
        raise OptionError(texts.NO_COUNT.format(value=smallest_component))
    for name, answer in (("flips", flips), ("fill_holes", fill_holes)):
        check_answer(name, answer)
    return SegmentOptions(
        threshold=threshold,
        flips=bool(flips),
        denoise=denoise or None,  # type: ignore[arg-type]
        smallest_component=smallest_component or 0,
        fill_holes=bool(fill_holes),
        crop=crop,  # type: ignore[arg-type]
        channels=to_channels(str(channel_order or "")),
    )


def check_answer(name: str, answer: object) -> None:
    """Refuse what was sent for an option where it is no answer to yes or no.

    Raises:
        OptionError: It is not.
    """
    if not isinstance(answer, bool | None):
        raise OptionError(texts.NO_ANSWER.format(name=name, value=answer))


def checkpoint_names(sent: object) -> list[str]:
    """The names of checkpoints, each once: what was sent is a list of them, or one name, or nothing.

    Raises:
        OptionError: It is something else.
    """
    names = [sent] if isinstance(sent, str) else sent or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise OptionError(texts.NO_NAMES.format(value=sent))
    return list(dict.fromkeys(names))


def check_channels(channels: object, volume: int | None) -> None:
    """Refuse what was sent for ``channels`` where it is no answer to yes or no, or contradicts the volume.

    Raises:
        OptionError: It is.
    """
    check_answer("channels", channels)
    if channels and volume is not None:
        raise OptionError(texts.VOLUME_OR_CHANNELS)


def segment_file(
    engine: Engine,
    file: str,
    checkpoint: str,
    *,
    threshold: float | None = None,
    flips: bool = False,
    denoise: Denoise | None = None,
    smallest_component: int = 0,
    fill_holes: bool = False,
    volume: int | None = None,
    channels: bool = False,
    crop: list[int] | None = None,
    deidentify: bool = False,
    channel_order: str = "",
    running: Running | None = None,
) -> Answer:
    """Segment one image or volume with one checkpoint: its label map as a file, and its measurements.

    Args:
        engine: Runs the checkpoint.
        file: An image or volume: PNG, JPEG, TIFF, DICOM, NIfTI, NRRD, MHA or NPY, or a zip of one series.
        checkpoint: The name of a usable checkpoint that /checkpoints lists, trained for images of this kind.
        threshold: Probability in (0, 1) from which a pixel counts; left out, the checkpoint's own.
        flips: Average over mirrored images: a little better, several times slower.
        denoise: A filter before the network: none, mean, gaussian or median; left out, the checkpoint's own.
        smallest_component: Remove connected parts of fewer pixels or voxels than this.
        fill_holes: Close holes within a class.
        volume: Which volume of a 4-D file, from 1; needed where there are several.
        channels: Whether all volumes of the file, or all files of the zip, are channels of one image.
        crop: Segment this box alone: [z0, y0, x0, z1, y1, x1] in voxels, the ends left out.
        deidentify: Whether results get a new name in place of the file's, which may be a patient's.
        channel_order: Channels of a study that the network gets, in its order: names or numbers with commas between;
            empty goes by the names that the checkpoint and the files have.
        running: Ends it early.

    Returns:
        The label map as a file: PNG whose pixel values are the classes, NIfTI of a volume; 0 is background. It has the
        image's own size and geometry. The measurements: shape (y, x or z, y, x), spacing_mm (or null), and for each of
        classes its pixels, area_mm2 or volume_ml (null without a spacing), components, mean_confidence in 0 to 1 and
        intensities; and for each of findings, what the image as a whole shows, its probability in 0 to 1, threshold and
        whether it is present. Their notes say what speaks against trusting the result: tell them to the user.

    Raises:
        MedsegError: The file, the checkpoint or an option cannot be used.
        Cancelled: Its client has gone.
    """
    options = segment_options(threshold, flips, denoise, smallest_component, fill_holes, crop, channel_order)
    check_answer("deidentify", deidentify)
    running = running or Running(API, "")
    result = _segmented(engine, file, checkpoint, options, volume, channels, running)
    if deidentify:
        result = deidentified(result, *pseudonyms(1))
    with running.new_folder() as folder:
        path = write_label_map(result.label_map, result.image, folder / safe_stem(result.image.name))
        return str(path), summary(result)


def explain_file(
    engine: Engine,
    file: str,
    checkpoint: str,
    explain: str,
    *,
    denoise: Denoise | None = None,
    volume: int | None = None,
    channels: bool = False,
    crop: list[int] | None = None,
    channel_order: str = "",
    running: Running | None = None,
) -> Answer:
    """Show what a checkpoint looked at in one image or volume, or where it is unsure: a heat map as a file.

    Args:
        engine: Runs the checkpoint.
        file: As for /segment.
        checkpoint: As for /segment.
        explain: "gradcam" or "gradcam:CLASS" for what it looked at (of a class, of several with + between, of a
            finding), "flips" for where mirrored inputs change its probabilities, "ensemble" for where members disagree.
        denoise: As for /segment.
        volume: As for /segment.
        channels: As for /segment.
        crop: As for /segment.
        channel_order: As for /segment.
        running: Ends it early.

    Returns:
        The heat map as a file, in the image's own size: a grey PNG of 16 bits, 65535 being 1; of a volume NIfTI with
        the figures from 0 to 1. The measurements of the result that it explains, as of /segment; heat_map among them
        says what it is, and its highest figure.

    Raises:
        MedsegError: The file, the checkpoint or an option cannot be used.
        Cancelled: Its client has gone.
    """
    options = segment_options(None, False, denoise, 0, False, crop, channel_order)
    if not isinstance(explain, str) or not explain:
        raise OptionError(texts.NO_EXPLAIN)
    running = running or Running(API, "")
    result = _segmented(engine, file, checkpoint, replace(options, explain=explain), volume, channels, running)
    assert result.heat is not None
    with running.new_folder() as folder:
        path = write_heat_map(result.heat, result.image.geometry, folder / f"{safe_stem(result.image.name)}_heat")
        return str(path), summary(result)


def _segmented(
    engine: Engine,
    file: str,
    checkpoint: str,
    options: SegmentOptions,
    volume: int | None,
    channels: bool,
    running: Running,
) -> Segmentation:
    if not file:
        raise OptionError(texts.ONE_FILE_ONLY)
    if not isinstance(volume, int | None):
        raise OptionError(texts.NO_VOLUME.format(value=volume))
    check_channels(channels, volume)
    engine.entry(checkpoint)
    with running.job(engine, is_large=may_hold_volume(Path(file), engine.settings)) as job:
        image = read_image(Path(file), settings=engine.settings, volume=volume, channels=bool(channels))
        return engine.segment(image, checkpoint, options=options, progress=lambda *_: running.check(), job=job)


def may_hold_volume(file: Path, settings: Settings) -> bool:
    """Whether a file holds a volume by its header, so that its job is let in before anything large is unpacked.

    A zip, which may hold a series, counts as one; what cannot be read does not.
    """
    try:
        return len(inspect_file(file, settings=settings).layout.shape) > 2
    except ReadError:
        return is_zip(file, settings)
