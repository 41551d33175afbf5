"""The web API of the comparison: ``/compare``, thin over the same functions as the page."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import gradio as gr

from evaluation.ui.evaluate.messages import message
from medseg_demo.errors import OptionError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.api import check_channels, checkpoint_names, client_run, described_by, may_hold_volume
from medseg_demo.ui.session import API, Running, Sessions
from medseg_demo.ui.tab import RUNS_AT_ONCE

Answer = tuple[str, dict[str, object]]
Consensus = Literal["majority", "staple"]


def add_compare_endpoint(engine: Engine, sessions: Sessions) -> None:
    """Add the endpoint to the open block; nothing of it shows on the page."""

    @described_by(compare_on_file)
    def compare(
        request: gr.Request,
        file: str,
        checkpoints: list[str],
        reference: str | None = None,
        label_maps: list[str] | None = None,
        consensus: Consensus | None = None,
        volume: int | None = None,
        channels: bool = False,
        classes: str | None = None,
    ) -> Answer:
        with client_run(sessions, request, message) as running:
            return compare_on_file(
                engine,
                file,
                checkpoints,
                reference=reference,
                label_maps=label_maps,
                consensus=consensus,
                volume=volume,
                channels=channels,
                classes=classes,
                running=running,
            )

    inputs = [
        gr.File(label="file", visible=False),
        gr.JSON(label="checkpoints", visible=False),
        gr.File(label="reference", visible=False),
        gr.File(label="label_maps", file_count="multiple", visible=False),
        gr.Textbox(label="consensus", value=None, visible=False),
        gr.Number(label="volume", value=None, visible=False),
        gr.Checkbox(label="channels", visible=False),
        gr.Textbox(label="classes", value=None, visible=False),
    ]
    outputs = [gr.File(label="archive", visible=False), gr.JSON(label="comparison", visible=False)]
    gr.Button(visible=False).click(
        compare, inputs, outputs, api_name="compare", concurrency_id="api", concurrency_limit=RUNS_AT_ONCE
    )


def compare_on_file(
    engine: Engine,
    file: str,
    checkpoints: list[str] | str | None,
    *,
    reference: str | None = None,
    label_maps: list[str] | None = None,
    consensus: Consensus | None = None,
    volume: int | None = None,
    channels: bool = False,
    classes: str | None = None,
    running: Running | None = None,
) -> Answer:
    """Compare checkpoints, label maps made elsewhere and a reference on one image or volume: files, and the figures.

    Args:
        engine: Runs the checkpoints.
        file: An image or volume: PNG, JPEG, TIFF, DICOM, NIfTI, NRRD, MHA or NPY, or a zip of one series.
        checkpoints: Names of usable checkpoints that /checkpoints lists; empty where label maps alone are compared.
        reference: The label map of an expert, of the same image; everything is scored against it.
        label_maps: Label maps of the same image that were made elsewhere.
        consensus: majority or staple, which adds a consensus of all as one more label map; left out, none.
        volume: Which volume of a 4-D file, from 1; needed where there are several.
        channels: Whether all volumes of the file, or all files of the zip, are channels of one image.
        classes: Classes that are called otherwise, one a line: `class_1 = lung`, or `expert: class_1 = lung`.
        running: Ends it early.

    Returns:
        A zip with every label map and table. The figures: members, sizes_and_scores (a row a member and class: size,
        and against the reference Dice and surface distances), pairs (the same between each two members), agreement and
        disagreement (the regions where they differ, the largest first). Sizes are in mm² or ml, distances in mm where
        the spacing is known, else in pixels and px; "inf" is a distance to nothing, "nan" a class that neither has.

    Raises:
        MedsegError: A file, a checkpoint or an option cannot be used, or they do not go together.
        Cancelled: Its client has gone.
    """
    from evaluation.comparison.files import to_document, write_comparison, zip_files
    from evaluation.comparison.members import with_consensus
    from evaluation.comparison.run import compare_image
    from evaluation.results.table import json_ready
    from evaluation.ui.compare.run import assigned
    from evaluation.ui.compare.state import Given, Request
    from medseg_demo.reading import Study, read_image

    if not file or not isinstance(file, str):
        raise OptionError("The endpoint takes exactly one file. Call it once for each file.")
    if not isinstance(volume, int | None):
        raise OptionError(f"The volume is {volume!r}. Give a whole number from 1, or leave it out.")
    check_channels(channels, volume)
    if consensus not in (None, "", "majority", "staple"):
        raise OptionError(f"There is no consensus {consensus!r}. Choose majority or staple, or leave it out.")
    drawn = label_maps if isinstance(label_maps, list | tuple) else [label_maps] if label_maps else []
    for given in [*([reference] if reference else []), *drawn]:
        if not isinstance(given, str):
            raise OptionError(f"{given!r} is no file. Upload label maps and the reference, or leave them out.")
    if not isinstance(classes, str | None):
        raise OptionError(f"The classes are {classes!r}. Give one line a class, such as class_1 = lung.")
    request = Request.of(checkpoint_names(checkpoints), [reference] if reference else [], drawn, classes, consensus)
    running = running or Running(API, "")
    study = (Study(Path(file)),)
    with (
        running.job(engine, is_large=may_hold_volume(Path(file), engine.settings)) as job,
        assigned(Given(study, study), request, engine.settings) as (_, (asked,)),
    ):
        image = read_image(Path(file), settings=engine.settings, volume=volume, channels=bool(channels))
        *_, found = compare_image(engine, image, asked, job, lambda *_: running.check())
    found = with_consensus(found, request.method)
    with running.new_folder() as folder, TemporaryDirectory() as loose:
        files = write_comparison(found, Path(loose))
        archive = zip_files(files.paths, folder / f"{files.document.stem}.zip")
    return str(archive), json_ready(to_document(found))  # type: ignore[return-value]
