"""Real images that installed packages ship, as ready examples: nothing is downloaded."""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry
from medseg_demo.reading import read_image
from medseg_demo.writing.nifti import write_nifti

if TYPE_CHECKING:
    from medseg_demo.models.catalog import CatalogEntry


@dataclass(frozen=True)
class Sample:
    """One image.

    Attributes:
        name: A short identifier.
        title: For a button or a caption.
        description: What is seen, in one sentence.
        checkpoint: The bundled checkpoint that suits it.
        package: The package to import, as pip's users know it.
        module: The importable module that holds the file.
        file: The file's place under that module's folder.
        licence: The licence under which it may be used.
        credit: Whom to name.
        box_mm: The part of a volume that is taken, as its least and greatest corner in LPS mm; None takes all.
        task: What it is an example of, as model cards call it.
    """

    name: str
    title: str
    description: str
    checkpoint: str
    package: str
    module: str
    file: str
    licence: str
    credit: str
    box_mm: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None
    task: str = ""

    def suited(self, usable: Sequence["CatalogEntry"]) -> "CatalogEntry | None":
        """Of usable checkpoints the one that suits it, or else the first of the same task; None where there is none."""
        own = (entry for entry in usable if entry.name == self.checkpoint)
        alike = (entry for entry in usable if entry.card is not None and self.task == entry.card.task)
        return next(own, None) or next(alike, None)

    @property
    def path(self) -> Path:
        """Where the file lies; a part of a volume is cut out when it is first asked for.

        Raises:
            OptionError: The package is not installed, or does not hold the file.
        """
        return self.packaged_file if self.box_mm is None else _cut_out(self)

    @property
    def packaged_file(self) -> Path:
        """The file in its package.

        Raises:
            OptionError: The package is not installed, or does not hold the file.
        """
        spec = find_spec(self.module)  # finds the folder without importing the package
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if Path(folder, self.file).is_file():
                return Path(folder, self.file)
        raise OptionError(f"Sample {self.name!r} is not there. Install it: pip install {self.package}.")


SAMPLES = (
    Sample(
        name="chest-xray",
        title="Chest radiograph",
        description="An adult's chest from the front: 16-bit DICOM, stored bright as dark, without a usable spacing. "
        "What a checkpoint says of pneumonia in it counts for nothing: it learned that from children's radiographs.",
        checkpoint="lungs-unet-lite0",
        task="lungs in chest radiographs",
        package="pydicom-data",
        module="data_store",
        file="data/RG1_UNCR.dcm",
        licence="MIT (the package's licence)",
        credit="NEMA, DICOM WG-04 compression test images; packaged by the pydicom contributors",
    ),
    Sample(
        name="retina",
        title="Retina photograph",
        description="The fundus of a normal left eye: an 8-bit colour JPEG.",
        checkpoint="vessels-unet-lite0",
        task="vessels in retina photographs",
        package="scikit-image",
        module="skimage",
        file="data/retina.jpg",
        licence="CC0 1.0",
        credit="Mikael Häggström, Medical gallery of Mikael Häggström 2014, doi:10.15347/wjm/2014.008",
    ),
    Sample(
        name="stained-tissue",
        title="Stained tissue",
        description="Glands of the colon, FHL2 stained brown (DAB), nuclei blue (haematoxylin): an 8-bit colour PNG. "
        "A hard one: the bundled nuclei checkpoints miss most nuclei in it.",
        checkpoint="nuclei-unet-lite0",
        task="nuclei in microscopy",
        package="scikit-image",
        module="skimage",
        file="data/ihc.png",
        licence="no known copyright restrictions",
        credit="Center for Microscopy and Molecular Imaging (CMMI); packaged by the scikit-image contributors",
    ),
    Sample(
        name="hippocampus",
        title="Hippocampus (volume)",
        description="The left hippocampus in the average T1 image of 152 adults: a volume of 36 × 51 × 40 mm. "
        "An average is smoother than any one brain.",
        checkpoint="hippocampus-unet3d",
        task="hippocampus in brain MRI",
        package="nilearn",
        module="nilearn",
        file="datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
        licence="any use without fee, with the copyright notice (McConnell Brain Imaging Centre)",
        credit="ICBM 152 nonlinear symmetric atlas 2009a, © Louis Collins, McConnell Brain Imaging Centre, Montreal "
        "Neurological Institute, McGill University (Fonov et al. 2011); packaged by the nilearn contributors",
        box_mm=((5.0, -1.0, -32.0), (40.0, 49.0, 7.0)),
    ),
)


def list_samples() -> tuple[Sample, ...]:
    """The samples whose package is installed."""
    return tuple(sample for sample in SAMPLES if _is_installed(sample))


def example_files(folder: Path) -> list[Path]:
    """The owner's example of what a checkpoint is for: ``example.png``, ``example.nii.gz``, … in its folder."""
    return sorted(path for path in folder.glob("example.*") if path.is_file())


def sample_path(name: str) -> Path:
    """The file of one sample.

    Raises:
        OptionError: There is no such sample, or the package that ships it is not installed.
    """
    for sample in SAMPLES:
        if sample.name == name:
            return sample.path
    raise OptionError(f"There is no sample {name!r}. Choose one of: {', '.join(s.name for s in SAMPLES)}.")


def _is_installed(sample: Sample) -> bool:
    try:
        return sample.packaged_file.is_file()
    except OptionError:
        return False


@cache
def _cut_out(sample: Sample) -> Path:
    """A part of a volume of bytes as a file of its own, deleted when the program ends."""
    image = read_image(sample.packaged_file)
    affine = image.geometry.affine
    if affine is None or sample.box_mm is None or image.pixels.dtype != np.uint8:
        raise OptionError(f"Sample {sample.name!r}: another version of {sample.package} is installed. Update it.")
    corners = np.column_stack([np.array(sample.box_mm), np.ones(2)])
    ends = np.rint(corners @ np.linalg.inv(affine).T)[:, :3].astype(int)
    start, stop = ends.min(axis=0), ends.max(axis=0) + 1
    part = image.pixels[tuple(slice(*span) for span in zip(start[::-1], stop[::-1], strict=True))]
    moved = affine.copy()
    moved[:3, 3] = (affine @ [*start, 1])[:3]
    folder = Path(tempfile.mkdtemp(prefix="medseg-sample-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_nifti(part, Geometry(image.geometry.spacing_mm, moved), folder / f"{sample.name}.nii.gz")
    return folder / f"{sample.name}.nii.gz"
