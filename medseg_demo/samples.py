"""Real images that installed packages ship, as ready examples: nothing is downloaded."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from medseg_demo.errors import OptionError


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

    @property
    def path(self) -> Path:
        """Where the file lies.

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
        description="An adult's chest from the front: 16-bit DICOM, stored bright as dark, without a usable spacing.",
        checkpoint="lungs-unet-lite0",
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
        package="scikit-image",
        module="skimage",
        file="data/ihc.png",
        licence="no known copyright restrictions",
        credit="Center for Microscopy and Molecular Imaging (CMMI); packaged by the scikit-image contributors",
    ),
)


def list_samples() -> tuple[Sample, ...]:
    """The samples whose package is installed."""
    return tuple(sample for sample in SAMPLES if _is_installed(sample))


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
        return sample.path.is_file()
    except OptionError:
        return False
