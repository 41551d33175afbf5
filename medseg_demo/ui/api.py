"""The web API: ``/segment`` and ``/checkpoints``, thin over the same functions as the page."""

import tempfile
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from medseg_demo.errors import OptionError
from medseg_demo.models.catalog import to_records
from medseg_demo.readers import read_image
from medseg_demo.segmentation import SegmentOptions
from medseg_demo.ui import texts
from medseg_demo.ui.downloads import safe_stem
from medseg_demo.ui.engine import Engine
from medseg_demo.ui.faults import explain
from medseg_demo.writers import summary, write_label_map

Answer = tuple[str, dict[str, object]]


def add_endpoints(engine: Engine) -> None:
    """Add both endpoints to the open block; nothing of them shows on the page."""

    def segment(file: str, checkpoint: str, threshold: float | None = None) -> Answer:
        """Segment one image or volume: its label map as a file, and its measurements."""
        try:
            return segment_file(engine, file, checkpoint, threshold)
        except Exception as error:
            raise gr.Error(explain(error), print_exception=False) from None

    def checkpoints() -> list[dict[str, object]]:
        """Every checkpoint of this server, and why an unusable one cannot be used."""
        return to_records(engine.entries())

    file, name = gr.File(label="file", visible=False), gr.Textbox(label="checkpoint", visible=False)
    threshold = gr.Number(label="threshold", value=None, visible=False)
    label_map, measurements = gr.File(label="label_map", visible=False), gr.JSON(label="measurements", visible=False)
    gr.Button(visible=False).click(
        segment,
        [file, name, threshold],
        [label_map, measurements],
        api_name="segment",
        concurrency_id="gpu",
        concurrency_limit=1,
    )
    listing = gr.JSON(label="checkpoints", visible=False)
    gr.Button(visible=False).click(checkpoints, None, listing, api_name="checkpoints", concurrency_limit=None)


def segment_file(engine: Engine, file: str, checkpoint: str, threshold: float | None) -> Answer:
    """Segment one file.

    Args:
        engine: Runs the checkpoint.
        file: Path of the uploaded file.
        checkpoint: Name of a checkpoint folder.
        threshold: Of a checkpoint with one class; None takes the card's.

    Returns:
        The path of the label map (PNG, or NIfTI of a volume) at the image's own size, and the measurements.

    Raises:
        MedsegError: The file, the checkpoint or the threshold cannot be used.
    """
    if not file:
        raise OptionError(texts.ONE_FILE_ONLY)
    if not isinstance(threshold, int | float | None):  # Gradio passes on what it was sent
        raise OptionError(texts.NO_NUMBER.format(value=threshold))
    engine.entry(checkpoint)
    image = read_image(Path(file), settings=engine.settings)
    result = engine.segment(image, checkpoint, options=SegmentOptions(threshold=threshold))
    # Inside Gradio's own folder the file is served as it is, and deleted with the others.
    folder = Path(tempfile.mkdtemp(prefix="medseg-", dir=get_upload_folder()))
    return str(write_label_map(result.label_map, folder, safe_stem(image.name))), summary(result)
