"""A file that is about to be read: its first bytes, its name, and how a failure of a decoder is put into words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError
from medseg_demo.image import MedicalImage
from medseg_demo.settings import Settings

HEAD_BYTES = 16_384
MIB = 2**20

SUFFIXES = (
    *(".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".dcm", ".dicom", ".dic", ".ima"),
    *(".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".npy", ".npz"),
)


@dataclass(frozen=True)
class Source:
    """One file on disk.

    Attributes:
        path: Where it lies.
        head: Its first bytes, enough to tell its kind and to hold the header of a simple format.
        size: Its length in bytes.
        volume: Which of several volumes is wanted, from 1; None where nobody chose.
    """

    path: Path
    head: bytes
    size: int
    volume: int | None = None

    @property
    def label(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    @property
    def name(self) -> str:
        """The file's stem."""
        return stem(self.path)


@dataclass(frozen=True)
class Reader:
    """One file format.

    Attributes:
        file_format: Its name for people.
        recognise: Whether a file is of this format, from its bytes alone.
        read: The file as an image; raises a ReadError and nothing else.
        volumes: How many volumes, such as times, a file holds, by its header; None where there is always one.
    """

    file_format: str
    recognise: Callable[[Source], bool]
    read: Callable[[Source, Settings], MedicalImage]
    volumes: Callable[[Source, Settings], int] | None = None


@dataclass(frozen=True)
class Series:
    """Several DICOM files that are the slices of one volume.

    Attributes:
        name: For files and messages, from the names of folders and files, never from what is inside them.
        paths: The files, in the order of the slices.
        slices: How many there are.
        description: Modality, plane, size and spacing, such as "CT, axial, 512 × 512 × 40, 0.7 × 0.7 × 3 mm".
        notes: What is unusual about it, in plain sentences.
    """

    name: str
    paths: tuple[Path, ...]
    slices: int
    description: str
    notes: tuple[str, ...] = ()


def stem(path: str | Path | Series) -> str:
    """A file's name without its image suffix; ``.nii.gz`` is one suffix, and a suffix of no image format stays.

    A DICOM file without an extension is often named by a UID, whose last number is not a suffix. The stem of a series
    is its name.
    """
    name = path.name if isinstance(path, Series) else Path(path).name
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or name


def size_on_disk(item: Path | Series) -> int:
    """How many bytes the files of one item have; 0 for what is no file."""
    paths = item.paths if isinstance(item, Series) else (item,)
    return sum(path.stat().st_size for path in paths if path.is_file())


def open_source(path: str | Path, settings: Settings, *, volume: int | None = None) -> Source:
    """Look at a file's first bytes; ``volume`` is passed on to its reader.

    Raises:
        ReadError: It does not exist, is a folder, or may not be read.
        DamagedFileError: It is empty.
        ImageTooLargeError: It is longer than ``settings.max_file_mb``.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable file name"
        raise ReadError(f"{path.name}: the file cannot be opened ({reason}). Check its path and permissions.") from None
    if not head:
        raise DamagedFileError(f"{path.name}: the file is empty. Export or copy it again.")
    if size > settings.max_file_mb * MIB:
        raise ImageTooLargeError(
            f"{path.name}: the file has {size / MIB:.0f} MiB, and at most {settings.max_file_mb} MiB are read. "
            "Crop or compress it, or raise MEDSEG_MAX_FILE_MB."
        )
    return Source(path, head, size, volume)


@contextmanager
def decoding(source: Source, file_format: str) -> Iterator[None]:
    """Turn whatever a decoder raises inside the block into a ReadError.

    Decoders raise nearly every kind of exception on damaged files, and quote the file's content in the message
    (pydicom: tag values, so patient data). Neither the message nor the chain of causes is therefore kept.

    Raises:
        ReadError: As raised inside the block.
        ImageTooLargeError: There was not enough memory.
        DamagedFileError: Anything else was raised.
    """
    failure: ReadError
    try:
        yield
        return
    except ReadError:
        raise
    except MemoryError:
        failure = ImageTooLargeError(f"{source.label}: there is not enough memory to decode the file. Crop it.")
    except Exception:
        failure = DamagedFileError(
            f"{source.label}: the {file_format} file is damaged or incomplete. Export or copy it again."
        )
    raise failure from None
