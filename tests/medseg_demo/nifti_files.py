"""NIfTI files for the tests: whatever a header can hold, right or wrong."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
from scipy.spatial.transform import Rotation

from medseg_demo.reading.nifti import inspect, read
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings

TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"
}  # fmt: skip
ODD_TYPES = {0: 1, 1: 1, 32: 8, 99: 1, 128: 3, 1536: 16, 1792: 16, 2048: 32, 2304: 4}  # code: bytes of a voxel
HEADERS = {
    (1, False): nibabel.Nifti1Header,
    (1, True): nibabel.nifti1.Nifti1PairHeader,
    (2, False): nibabel.Nifti2Header,
    (2, True): nibabel.nifti2.Nifti2PairHeader,
}
CODES, CODE_SHARES = [1, 2, 3, 4, 5, 0, 7, -1], [0.4, 0.1, 0.1, 0.1, 0.05, 0.15, 0.05, 0.05]


def save(path: Path, array: np.ndarray, affine: np.ndarray | None, kind: type = nibabel.Nifti1Image, **fields) -> Path:
    """Write an array (X, Y, ...) with nibabel, fields of the header set as given."""
    # nibabel wants to be told of 64-bit integers, since older programs cannot read them.
    image = kind(array, affine, dtype=array.dtype) if array.dtype in (np.int64, np.uint64) else kind(array, affine)
    for key, value in fields.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def patch(path: Path, **fields) -> Path:
    """Set fields of an uncompressed NIfTI-1 of this machine's byte order, also to what nibabel would not write."""
    content = bytearray(path.read_bytes())
    header = np.ndarray((), nibabel.nifti1.header_dtype, content)
    for key, value in fields.items():
        header[key][()] = value
    path.write_bytes(content)
    return path


def affine_of(
    rotation: np.ndarray, spacing: tuple[float, ...], origin: tuple[float, ...] = (-10, 20, 30)
) -> np.ndarray:
    """(4, 4), the axes turned."""
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 3] = origin
    return affine


def random_nifti(rng: np.random.Generator, folder: Path, number: int) -> tuple[Path, dict]:
    """A file of a random header and fitting voxels, mostly, and the header's fields as they were set."""
    version, is_pair = int(rng.choice([1, 2])), rng.random() < 0.25
    kind = HEADERS[version, is_pair]
    header = kind(endianness=rng.choice(["<", ">"]))
    voxels = _random_voxels(rng, header)
    base = 0 if is_pair else kind.single_vox_offset
    offset = base + (int(rng.integers(0, 100)) if rng.random() < 0.3 else 0)
    header["vox_offset"] = offset
    if rng.random() < 0.05:
        header["vox_offset"] = rng.choice([0, -5, 348, 351, 1e9] + ([] if version == 2 else [np.nan, np.inf]))
    if rng.random() < 0.5:
        header["scl_slope"] = rng.choice([1, 0, np.nan, 2, 0.5, -1, np.inf, 1 / 255])
        header["scl_inter"] = rng.choice([0, 0, 0, 1, -1024, np.nan, np.inf])
    else:
        header["scl_slope"], header["scl_inter"] = 1, 0
    _random_place(rng, header)
    header["xyzt_units"] = int(rng.choice([2, 2, 2, 0, 1, 3, 10, 5, 18]))
    header["intent_code"] = rng.choice([0, 1007, 1006, 5])
    return _write(rng, header, voxels, offset, folder / f"f{number}", is_pair=is_pair), header


def _random_voxels(rng: np.random.Generator, header) -> bytes:
    dimensions = int(rng.choice([1, 2, 3, 3, 3, 3, 4, 4, 5, 6, 7]))
    sizes = [1 if axis > 2 and rng.random() < 0.5 else int(rng.integers(1, 6)) for axis in range(dimensions)]
    code = int(rng.choice(list(TYPES if rng.random() < 0.85 else ODD_TYPES)))
    header["dim"][:] = [dimensions, *sizes, *[1] * (7 - dimensions)]
    if rng.random() < 0.05:
        header["dim"][rng.integers(1, 8)] = rng.choice([0, -1, 3])
    header["datatype"] = code
    count = int(np.prod(sizes))
    if code in TYPES:
        dtype = np.dtype(header.endianness + TYPES[code])
        header["bitpix"] = dtype.itemsize * 8 if rng.random() < 0.95 else 7
        numbers = rng.normal(size=count) * 100 if dtype.kind == "f" else rng.integers(0, 100, count)
        voxels = numbers.astype(dtype).tobytes()
    else:
        voxels = rng.integers(0, 255, count * ODD_TYPES[code], dtype=np.uint8).tobytes()
    if rng.random() < 0.06:
        return voxels[: int(len(voxels) * rng.random())]
    return voxels + b"\1" * int(rng.integers(1, 99)) if rng.random() < 0.06 else voxels


def _random_place(rng: np.random.Generator, header) -> None:
    spacing = tuple(rng.uniform(0.2, 5, 3))
    turns = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2)]
    here, there = (affine_of(turn, spacing, tuple(rng.normal(size=3) * 50)) for turn in turns)
    header["pixdim"][1:4] = spacing
    which = rng.random()
    if which < 0.75:
        header.set_qform(here, 1)
        header["qform_code"] = rng.choice(CODES, p=CODE_SHARES)
    if which < 0.2 or which > 0.5:
        sform = (here if rng.random() < 0.5 else there).copy()
        if rng.random() < 0.15:
            sform[0, 1] += 0.3
        if rng.random() < 0.1:
            sform[:3, 2] = 0
        header.set_sform(sform, 1)
        header["sform_code"] = rng.choice(CODES, p=CODE_SHARES)
    if rng.random() < 0.15:
        header["pixdim"][rng.integers(1, 4)] *= -1
    if rng.random() < 0.1:
        header["pixdim"][rng.integers(1, 4)] = rng.choice([0, np.nan, np.inf])
    if rng.random() < 0.1:
        header["pixdim"][0] = rng.choice([0, -1, 2, -2, 0.5])
    if rng.random() < 0.05:
        header["quatern_b"] = rng.choice([0.99, 1.5, np.nan])


def _write(rng: np.random.Generator, header, voxels: bytes, offset: int, stem: Path, *, is_pair: bool) -> Path:
    is_zipped = rng.random() < 0.4
    cut = int(rng.integers(1, 300)) if rng.random() < 0.2 else 0

    def pack(content: bytes) -> bytes:
        if not is_zipped:
            return content
        return gzip.compress(content[:cut]) + gzip.compress(content[cut:])

    start = header.binaryblock + (b"" if is_pair else bytes(4))
    suffix = ".gz" if is_zipped else ""
    if not is_pair:
        path = stem.with_name(f"{stem.name}.nii{suffix}")
        path.write_bytes(pack(start + b"\7" * (offset - len(start)) + voxels))
        return path
    stem.with_name(f"{stem.name}.img{suffix}").write_bytes(pack(b"\7" * offset + voxels))
    path = stem.with_name(f"{stem.name}.hdr{suffix}")
    path.write_bytes(pack(start))
    return path


LPS_FROM_RAS = np.diag([-1, -1, 1, 1])
TURN = Rotation.from_euler("zyx", (0.3, 0.1, -0.2)).as_matrix()
AFFINE = affine_of(TURN, (0.5, 0.75, 2.0))


def raw_volumes(path, limits=None):
    """Every volume as the reader hands it over."""
    with open_source(path, limits or Settings()) as source:
        layout = inspect(source)
        return [read(source, layout, [volume]) for volume in range(layout.volumes)]
