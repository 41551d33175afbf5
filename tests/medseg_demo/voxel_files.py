"""NRRD and MetaImage files as bytes, by the letter of their documentation, and random ones for comparisons."""

import bz2
import gzip
import random
import zlib
from pathlib import Path

import numpy as np

NRRD_TYPES = {
    "int8": "i1",
    "uchar": "u1",
    "unsigned char": "u1",
    "short": "i2",
    "signed short int": "i2",
    "uint16": "u2",
    "unsigned short": "u2",
    "int": "i4",
    "uint32_t": "u4",
    "long long": "i8",
    "uint64": "u8",
    "float": "f4",
    "double": "f8",
}
META_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_SHORT_ARRAY": "i2",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


def as_text(array):
    return (" ".join(repr(value) for value in array.ravel().tolist()) + "\n").encode()


PACKED = {
    "raw": lambda array: array.tobytes(),
    "gzip": lambda array: gzip.compress(array.tobytes()),
    "bzip2": lambda array: bz2.compress(array.tobytes()),
    "ascii": as_text,
    "hex": lambda array: array.tobytes().hex().encode(),
}


def nrrd(array, *lines, body=None, **fields):
    """An NRRD of an array whose first axis is the slowest; None leaves a field out, and ``body`` replaces the data."""
    names = {np.dtype(code): name for name, code in NRRD_TYPES.items()}
    own = {
        "type": names[array.dtype.newbyteorder("=")],
        "dimension": array.ndim,
        "sizes": " ".join(map(str, array.shape[::-1])),
        "encoding": "raw",
        "endian": "big" if array.dtype.byteorder == ">" else "little",
    } | {key.replace("_", " "): value for key, value in fields.items()}
    head = "\n".join(["NRRD0005", *(f"{key}: {value}" for key, value in own.items() if value is not None), *lines])
    return f"{head}\n\n".encode() + (PACKED.get(own["encoding"], as_text)(array) if body is None else body)


def meta(array, *listed, body=None, **fields):
    """A MetaImage of an array whose first axis is the slowest, with the data inside unless ElementDataFile is given."""
    names = {np.dtype(code): name for name, code in META_TYPES.items()}
    own = {
        "ObjectType": "Image",
        "NDims": array.ndim,
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "BinaryDataByteOrderMSB": array.dtype.byteorder == ">",
        "ElementType": names[array.dtype.newbyteorder("=")],
    } | fields
    place = own.pop("ElementDataFile", "LOCAL")
    head = "".join(f"{key} = {value}\n" for key, value in own.items() if value is not None)
    head += f"ElementDataFile = {place}\n" + "".join(f"{name}\n" for name in listed)
    return head.encode() + ((array.tobytes() if body is None else body) if place == "LOCAL" else b"")


def random_nrrd(seed: int, folder: Path) -> tuple[Path, np.ndarray, int | None, str]:
    """A random file; its values, the axis (of the array) that is not of space, if any, and that axis' kind."""
    draw, numbers = random.Random(seed), np.random.default_rng(seed)
    kind = draw.choice([None] * 3 + ["RGB-color", "3-color", "vector", "list", "RGBA-color"])
    spatial = draw.choice([2, 3, 3])
    sizes, kinds = [draw.randint(1, 5) for _ in range(spatial)], ["domain"] * spatial
    place = None if kind is None else draw.choice([0, spatial, draw.randint(0, spatial)])
    if place is not None:
        sizes.insert(place, {"RGB-color": 3, "3-color": 3, "RGBA-color": 4}.get(kind, draw.randint(1, 4)))
        kinds.insert(place, kind)
    name, endian = draw.choice(list(NRRD_TYPES)), draw.choice(["little", "big"])
    array = (numbers.random(sizes[::-1]) * 100).astype(("<" if endian == "little" else ">") + NRRD_TYPES[name])
    encoding = draw.choice(list(PACKED))
    lines = [f"type: {name}", f"dimension: {len(sizes)}", f"sizes: {' '.join(map(str, sizes))}", f"endian: {endian}"]
    lines += [f"encoding: {encoding}", f"kinds: {' '.join(kinds)}", *_random_grid(draw, numbers, spatial, place)]
    body = PACKED[encoding](array)
    if draw.random() < 0.2:
        lines.append("line skip: 2")
        body = b"abc\n\n" + body
    if draw.random() < 0.2:
        lines += ["# sizes: 9 9", "own:=sizes: 9 9"]
    end = draw.choice(["\n", "\n", "\r\n"])
    if draw.random() < 0.2:
        path = folder / "f.nhdr"
        (folder / "f.dat").write_bytes(body)
        lines.append(draw.choice(["data file: f.dat", "datafile: ./f.dat"]))
        body = b""
    else:
        path = folder / "f.nrrd"
    path.write_bytes((end.join([f"NRRD000{draw.randint(1, 5)}", *lines]) + end * 2).encode() + body)
    return path, array, None if place is None else array.ndim - 1 - place, kind or ""


def _random_grid(draw, numbers, spatial, place):
    choice = draw.choice(["none", "spacings", "directions", "directions", "directions"])
    if choice == "none":
        return []
    if choice == "spacings":
        steps = [draw.choice([0.5, 0.7, draw.uniform(0.1, 9)]) * draw.choice([1, 1, 1, -1]) for _ in range(spatial)]
        if place is not None:
            steps.insert(place, draw.choice([1, float("nan")]))
        return ["spacings: " + " ".join(map(repr, steps))]
    matrix = np.linalg.qr(numbers.normal(size=(spatial, spatial)))[0] * numbers.uniform(0.2, 4, spatial)
    if draw.random() < 0.3:
        matrix = np.diag(numbers.uniform(0.2, 4, spatial))[numbers.permutation(spatial)]
    vectors = [f"({','.join(map(repr, column))})" for column in matrix.T.tolist()]
    if place is not None:
        vectors.insert(place, "none")
    spaces = ["space: LPS", "space: RAS", "space: left-anterior-superior", "space: scanner-xyz", "space dimension: 3"]
    lines = [draw.choice(spaces) if spatial == 3 else "space dimension: 2", f"space directions: {' '.join(vectors)}"]
    if draw.random() < 0.8:
        lines.append(f"space origin: ({','.join(map(repr, numbers.uniform(-99, 99, spatial).tolist()))})")
    return lines


def random_meta(seed: int, folder: Path) -> tuple[Path, np.ndarray]:
    """A random file, and its values with the channels last, even a single one."""
    draw, numbers = random.Random(seed), np.random.default_rng(seed)
    axes, channels = draw.choice([2, 3, 3, 4]), draw.choice([1, 1, 1, 2, 3, 4])
    sizes = [draw.randint(1, 5) for _ in range(axes)]
    name, is_big = draw.choice(list(META_TYPES)), draw.random() < 0.5
    array = (numbers.random([*sizes[::-1], channels]) * 100).astype((">" if is_big else "<") + META_TYPES[name])
    is_packed, place = draw.random() < 0.4, draw.choice(["LOCAL", "LOCAL", "f.raw", "LIST", "s%02d.raw"])
    # Of several packed files with something before the data, ITK reads what lies in memory.
    skips = [0] if place == "LOCAL" or (is_packed and place != "f.raw") else [0, 5] if is_packed else [0, 5, -1]
    skip = draw.choice(skips)

    def stored(values):
        return (b"" if not skip else b"other") + (zlib.compress(values.tobytes()) if is_packed else values.tobytes())

    matrix = np.eye(axes)
    matrix[:3, :3] = (
        np.linalg.qr(numbers.normal(size=(min(3, axes),) * 2))[0] if draw.random() < 0.7 else matrix[:3, :3]
    )
    fields = {
        "ObjectType": draw.choice(["Image", None]),
        "NDims": axes,
        "DimSize": " ".join(map(str, sizes)),
        draw.choice(["BinaryDataByteOrderMSB", "ElementByteOrderMSB"]): is_big,
        draw.choice(["TransformMatrix", "Rotation", "Orientation"]): " ".join(map(repr, matrix.ravel().tolist())),
        draw.choice(["Offset", "Origin", "Position"]): " ".join(map(repr, numbers.uniform(-99, 99, axes).tolist())),
        draw.choice(["ElementSpacing", "ElementSpacing", "ElementSize", "Other"]): " ".join(
            repr(draw.uniform(0.2, 4) * draw.choice([1] * 9 + [-1])) for _ in range(axes)
        ),
        "ElementNumberOfChannels": channels,
        "HeaderSize": skip or None,
        "CompressedData": is_packed,
        # ITK needs it, and of one file alone.
        "CompressedDataSize": len(stored(array)) - (5 if skip else 0) if is_packed and len(place) == 5 else None,
        "ElementType": name,
    }
    body = b""
    if place in ("LIST", "s%02d.raw"):
        names = [f"s{number:02d}.raw" for number in range(1, sizes[-1] + 1)]
        for part, values in zip(names, array, strict=True):
            (folder / part).write_bytes(stored(values))
        body = "".join(f"{part}\n" for part in names).encode() if place == "LIST" else b""
    elif place == "LOCAL":
        body = stored(array)
    else:
        (folder / place).write_bytes(stored(array))
    lines = "".join(f"{key} = {value}\n" for key, value in fields.items() if value is not None)
    path = folder / "g.mhd"
    path.write_bytes(f"{lines}ElementDataFile = {place}\n".encode() + body)
    return path, array
