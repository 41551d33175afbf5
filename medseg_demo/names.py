"""Names of files: stems, names that can be shown, and names that are safe and free to write."""

from pathlib import Path

SUFFIXES = (
    *(".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img", ".dcm", ".dicom", ".dic", ".ima"),
    *(".ome.tiff", ".ome.tif", ".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".npy", ".npz"),
)


def stem(path: str | Path) -> str:
    """A file's name without its image suffix; ``.nii.gz`` is one suffix, and a suffix of no image format stays.

    A DICOM file without an extension is often named by a UID, whose last number is not a suffix.
    """
    name = Path(path).name
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or name


def shown(name: str) -> str:
    """A name as it can be printed anywhere: control characters and bytes that are no UTF-8 become ``?``."""
    return "".join(character if character.isprintable() else "?" for character in name)
