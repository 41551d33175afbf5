"""Raw → LabelMap: references and predictions, which are whole numbers and never a picture.

Values come back as they are stored, or are refused: nothing is scaled, turned in brightness, or cut. A binary map may
hold 0 and 255; floats that are whole numbers are read; the colours of a picture count where a colour table names them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.reading.dicom import rtstruct, seg
from medseg_demo.reading.formats import decode, inspect
from medseg_demo.reading.grids import faults, lay_on
from medseg_demo.reading.raw import Raw
from medseg_demo.reading.source import Source, decoding, open_source
from medseg_demo.settings import Settings

# Latin and English plurals; the longer endings first.
PLURALS = (("ies", "y"), ("ches", "ch"), ("sses", "ss"), ("xes", "x"), ("i", "us"), ("ae", "a"), ("s", ""))
MOST_LABELS = 255
MOST_TABLE = 2**16  # entries of a table of values, beyond which they are searched for
BINARY_NOTE = "It holds 0 and 255, which were read as 0 and 1."
# A voxel of a float map may differ from a whole number by the rounding of single precision, and no more.
WHOLE_TOLERANCE = 1e-6

# The image that a label map belongs to, or what reads it: called only where the file says something about its place.
ImageSource = MedicalImage | Callable[[], MedicalImage] | None


def read_label_map(
    path: Path | str,
    *,
    class_names: Sequence[str] | None = None,
    image: ImageSource = None,
    settings: Settings | None = None,
    values: Mapping[int, int] | None = None,
    ignore: int | None = None,
    colours: Mapping[str, str] | None = None,
    instances: bool = False,
) -> LabelMap:
    """Read the labels of a file as they are stored.

    Args:
        path: The file.
        class_names: Item i names label value i + 1, and greater values are refused; None takes any values up to
            255 and names them class_1, class_2, …, or as the file does.
        image: The image it belongs to, or a function that reads it, called only where the file states its place. A
            label map that is stored in another order or direction of the image's axes is turned without loss; one
            that lies off it by more than a tenth of a voxel is refused. DICOM SEG and contours need it.
        settings: The limits; those of Settings() by default.
        values: Stored value → value in the result, where they differ: several may become one, and one that is not
            among them is refused. Files that name their labels themselves are matched by these names instead.
        ignore: The stored value of what nobody annotated, which becomes ``LabelMap.ignored``; None where all is.
        colours: Class name → colour, such as ``{"tumour": "#ff0000"}``: a picture of these colours is a label map.
            Black, and what is fully transparent, is background.
        instances: Whether the values number objects: every one is of class 1, and ``LabelMap.instances`` keeps the
            numbers.

    Returns:
        uint8 labels, (Y, X) or (Z, Y, X). All background is allowed.

    Raises:
        ReadError: The file cannot be read, is a colour picture without a table, holds values that are no labels,
            names classes that are not those expected, or lies elsewhere than the image.
    """
    settings = settings or Settings()
    with open_source(path, settings) as source:
        if seg.is_segmentation(source) or rtstruct.is_rtstruct(source):
            label_map = _from_segments(source, class_names, _image_of(image))
        else:
            label_map = _from_values(source, class_names, values, ignore, colours, instances=instances)
        if image is None or not _has_place(label_map, image):
            return label_map
        return _placed(label_map, _image_of(image), source)


def compare_geometry(image: MedicalImage, label_map: LabelMap, *, role: str = "reference") -> list[str]:
    """What keeps a label map from lying on an image: clauses for a message, empty where nothing does.

    Args:
        image: The image.
        label_map: From ``read_label_map``.
        role: What the label map is called in the clauses.
    """
    return faults(image, label_map, role=role)


def _image_of(image: ImageSource) -> MedicalImage | None:
    return image() if callable(image) else image


def _has_place(label_map: LabelMap, image: ImageSource) -> bool:
    """Whether the image decides how the labels lie; a picture's have no place of their own."""
    return isinstance(image, MedicalImage) or label_map.geometry.spacing_mm is not None or label_map.is_volume


def _placed(label_map: LabelMap, image: MedicalImage | None, source: Source) -> LabelMap:
    if image is None:
        return label_map
    laid = lay_on(label_map, image)
    clauses = faults(image, laid, role="it")
    if clauses and laid.labels.shape == image.shape:
        raise UnsupportedImageError(
            f"{source.label}: {' and '.join(clauses)}. Export it in the geometry of the image that it was drawn on."
        )
    return laid


def _from_segments(source: Source, class_names: Sequence[str] | None, image: MedicalImage | None) -> LabelMap:
    """A DICOM SEG, or contours: values that carry names."""
    with decoding(source, "DICOM"):
        read = seg.read_segmentation if seg.is_segmentation(source) else rtstruct.read_contours
        content = read(source, image)
    own = dict(enumerate(content.class_names, start=1))
    if class_names is None:
        return LabelMap(content.labels, content.class_names, content.geometry, content.notes)
    labels, notes = _by_name(content.labels, own, class_names, source)
    return LabelMap(labels, tuple(class_names), content.geometry, (*content.notes, *notes))


def _from_values(
    source: Source,
    class_names: Sequence[str] | None,
    lookup: Mapping[int, int] | None,
    ignore: int | None,
    colours: Mapping[str, str] | None,
    *,
    instances: bool,
) -> LabelMap:
    found = inspect(source)
    if not found.format.holds_labels:
        raise UnsupportedImageError(
            f"{source.label}: a {found.format.name} image is no label map. Choose a segmentation, or export the labels "
            "as PNG, NIfTI or NRRD."
        )
    is_bare = found.format.has_bare_axes and len(found.layout.shape) == 2 and colours is None
    if found.layout.volumes > 1 and not is_bare:
        raise UnsupportedImageError(
            f"{source.label}: it holds {found.layout.volumes} volumes or several components a voxel. Store one label a "
            "voxel: of one-hot masks or probabilities the number of the greatest channel (numpy.argmax along the "
            "channels, background first)."
        )
    if found.layout.alternatives:
        held = ", ".join(found.layout.alternatives[:10])
        raise UnsupportedImageError(
            f"{source.label}: it holds {len(found.layout.alternatives)} arrays ({held}). Keep the label map alone."
        )
    raw = decode(source, found, "channels" if is_bare else None)
    if raw.array.ndim == 3 and is_bare:
        raw = replace(raw, axes="ZYX", samples="one")
    raw = raw if colours is None else _coloured(raw, colours)
    if colours is not None and (raw.samples.startswith("colour") or raw.palette is not None):
        return _from_colours(raw, colours, class_names, source)
    values = _one_sample(raw, source)
    if instances:
        return _from_instances(values, raw, class_names, source)
    if lookup is not None and class_names is not None:
        values = _whole(values, source)
        labels, notes = _translate(values, {**lookup, **({} if ignore is None else {ignore: 0})}, class_names, source)
        ignored = None if ignore is None else values == ignore
        return LabelMap(labels, tuple(class_names), raw.geometry, (*raw.notes, *notes), ignored=ignored)
    labels, notes = _to_labels(values, source, None if class_names is None else len(class_names))
    names = tuple(class_names) if class_names is not None else default_names(labels)
    return LabelMap(labels, names, raw.geometry, (*raw.notes, *notes))


def _one_sample(raw: Raw, source: Source) -> np.ndarray:
    """The values without opacity, and without repetition where red, green and blue are equal."""
    values = raw.array
    if raw.samples == "one":
        return values
    if raw.samples == "grey+opacity":
        return values[..., 0]
    grey = values[..., :3]
    if (grey != grey[..., :1]).any():
        raise UnsupportedImageError(
            f"{source.label} is a colour picture. Store one label a pixel (grey or palette), or name its colours "
            'beside the labels in dataset.json: "colours": {"tumour": "#ff0000"}.'
        )
    return grey[..., 0]


def _coloured(raw: Raw, colours: Mapping[str, str]) -> Raw:
    """A grey picture whose greys the table names, in colour: programs store one so that needs no more."""
    if raw.samples != "one" or raw.palette is not None or raw.polarity is not None or raw.array.dtype != np.uint8:
        return raw
    grey = raw.array * np.uint8(255 // (2 ** min(raw.bit_depth, 8) - 1))
    named = {str(colour).lower().removeprefix("#") for colour in colours.values()}
    if not all(f"{value:02x}" * 3 in named for value in find_present(grey) if value):
        return raw
    return replace(raw, array=np.repeat(grey[..., np.newaxis], 3, axis=-1), samples="colour")


def _from_colours(raw: Raw, colours: Mapping[str, str], class_names: Sequence[str] | None, source: Source) -> LabelMap:
    """A picture whose colours stand for classes."""
    pixels = raw.array if raw.palette is None else raw.palette[np.minimum(raw.array, len(raw.palette) - 1)]
    if pixels.dtype == np.uint16 and raw.palette is None:
        pixels = pixels / 257
    names = tuple(class_names) if class_names is not None else tuple(colours)
    unknown = [name for name in colours if name not in names]
    if unknown:
        raise UnsupportedImageError(
            f"{source.label}: the colour table names {', '.join(map(repr, unknown))}, which is none of the classes "
            f"({', '.join(names)}). Correct the table."
        )
    labels = np.zeros(pixels.shape[:-1], np.uint8)
    known = (pixels[..., :3] == 0).all(-1)
    if pixels.shape[-1] == 4:
        known |= pixels[..., 3] == 0
    for name, colour in colours.items():
        here = (pixels[..., :3] == _parse_colour(colour, name, source)).all(-1) & ~known
        labels[here], known = names.index(name) + 1, known | here
    if not known.all():
        odd = "#" + "".join(f"{round(float(value)):02x}" for value in pixels[~known][0][:3])
        raise UnsupportedImageError(
            f"{source.label}: {np.count_nonzero(~known)} pixels have a colour that the colour table lacks, such as "
            f"{odd}. Add it, or store the picture without smoothing or lossy compression."
        )
    return LabelMap(labels, names, raw.geometry, raw.notes)


def _parse_colour(colour: str, name: str, source: Source) -> tuple[int, ...]:
    digits = re.fullmatch(r"#?([0-9a-fA-F]{6})", colour) if isinstance(colour, str) else None
    if not digits:
        raise UnsupportedImageError(
            f"{source.label}: {colour!r} is no colour for the class {name!r}. Write it as #rrggbb in the colour table."
        )
    return tuple(bytes.fromhex(digits[1]))


def _from_instances(values: np.ndarray, raw: Raw, class_names: Sequence[str] | None, source: Source) -> LabelMap:
    numbers = _whole(values, source)
    if numbers.min(initial=0) < 0 or numbers.max(initial=0) > np.iinfo(np.uint32).max:
        raise UnsupportedImageError(f"{source.label}: numbers of objects are 0 to 2³² − 1. Number them again.")
    names = tuple(class_names) if class_names is not None else ("class_1",)
    if len(names) != 1:
        raise UnsupportedImageError(
            f"{source.label}: an instance map numbers the objects of one class, and there are {len(names)}. "
            "Give one file a class."
        )
    labels = (numbers > 0).astype(np.uint8)
    return LabelMap(labels, names, raw.geometry, raw.notes, numbers.astype(np.uint32))


def _by_name(
    values: np.ndarray, own: Mapping[int, str], class_names: Sequence[str], source: Source
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values that carry names of their own → values by ``class_names``, matched by name.

    A name that is the same wins, then one that is of the same class. The only name of a file stands for the only class,
    and a note says so.
    """
    exact = {name: place for place, name in enumerate(class_names, start=1)}
    alike = {class_key(name): place for name, place in reversed(exact.items())}
    own = {value: name for value, name in own.items() if value != 0}
    present = set(find_present(values).tolist()) - {0}
    unnamed = sorted(present - own.keys())
    if unnamed:
        raise UnsupportedImageError(
            f"{source.label} holds the label {unnamed[0]:g}, which its own list of labels does not name. Correct one."
        )
    places = {value: exact.get(name, alike.get(class_key(name), 0)) for value, name in own.items()}
    if len(own) == len(class_names) == 1 and not any(places.values()):
        value, name = next(iter(own.items()))
        note = f"Its only label, {name!r}, was taken for the only class, {class_names[0]!r}."
        return (values == value).astype(np.uint8), (note,) if name != f"class_{value}" else ()
    strange = [own[value] for value in sorted(present) if not places[value]]
    if strange:
        raise UnsupportedImageError(
            f"{source.label} names its labels {', '.join(map(repr, own.values()))}, and the classes are "
            f"{', '.join(map(repr, class_names))}: {', '.join(map(repr, strange))} is none of them. Rename the labels "
            "in the file, or the classes in dataset.json."
        )
    labels = np.zeros(values.shape, np.uint8)
    for value in present:
        labels[values == value] = places[value]
    moved = [own[value] for value in sorted(present) if places[value] != value]
    note = f"Its labels are numbered otherwise than the classes ({', '.join(moved)}), and were matched by name."
    return labels, (note,) if moved else ()


def class_key(name: str) -> str:
    """What the names of one class have in common: those of ``plain_name``, and singular and plural."""
    words = plain_name(name)
    for ending, single in PLURALS:
        if words.endswith(ending) and len(words) > len(ending) + 2 and not words.endswith(("ss", "us", "is")):
            return words.removesuffix(ending) + single
    return words


def plain_name(name: str) -> str:
    """What the same names of labels have in common: no case, and one space for spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _translate(
    values: np.ndarray, lookup: Mapping[int, int], class_names: Sequence[str], source: Source
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stored values → label values, by a table."""
    is_same = (
        values.dtype.kind == "u"
        and lookup.items() >= {value: value for value in range(1, len(class_names) + 1)}.items()
    )
    if is_same and values.max() <= len(class_names):
        return values.astype(np.uint8, copy=False), ()
    present = find_present(values)
    odd = [value for value in present.tolist() if value and value not in lookup]
    if odd == [255] and len(class_names) == 1 and len(present) <= 2:
        return (values == 255).astype(np.uint8), (BINARY_NOTE,)
    if odd:
        objects = ' (where values number the objects of a class, write "instances": true there)' * (
            len(class_names) == 1
        )
        known = ", ".join(str(value) for value in sorted(lookup)[:20]) + (", …" if len(lookup) > 20 else "")
        raise UnsupportedImageError(
            f"{source.label} holds the label {odd[0]:g}, which is none of the classes (their values are {known}). "
            f"Correct it, or name it in dataset.json{objects}."
        )
    if all(lookup.get(value, 0) == value for value in present.tolist()):
        return values.astype(np.uint8), ()
    places = np.array([lookup.get(value, 0) for value in present.tolist()], np.uint8)
    if present[0] >= 0 and present[-1] < MOST_TABLE:
        table = np.zeros(present[-1] + 1, np.uint8)
        table[present] = places
        return table[values], ()
    return places[np.searchsorted(present, values)], ()


def _to_labels(values: np.ndarray, source: Source, classes: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    values = _whole(values, source)
    present = find_present(values)
    if classes in (None, 1) and present[-1] == 255 and set(present.tolist()) <= {0, 255}:
        return (values == 255).astype(np.uint8), (BINARY_NOTE,)
    limit = MOST_LABELS if classes is None else classes
    if present[0] < 0 or present[-1] > limit:
        odd = present[0] if present[0] < 0 else present[-1]
        allowed = f"0 to {limit}" + (", or 0 and 255" if classes == 1 else "")
        raise UnsupportedImageError(
            f"{source.label} holds the label {odd:g}, but labels here are {allowed}. Correct it, or name the values in "
            "dataset.json."
        )
    return values.astype(np.uint8), ()


def _whole(values: np.ndarray, source: Source) -> np.ndarray:
    """The values as whole numbers, in the smallest type that holds them: volumes of floats may fill the memory.

    Raises:
        UnsupportedImageError: They are no numbers, or not whole ones, or their axes are none of a label map's.
    """
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind not in "iuf":
        raise UnsupportedImageError(f"{source.label} holds {values.dtype} values. Store labels as whole numbers.")
    if values.ndim not in (2, 3) or values.size == 0:
        raise UnsupportedImageError(f"{source.label} has shape {values.shape}. Store labels as (Y, X) or (Z, Y, X).")
    if values.dtype.kind == "f":
        for block in _blocks(values):
            _check_whole(block, source)
    ends = [round(end.item()) for end in (values.min(), values.max())]
    smallest = np.result_type(*map(np.min_scalar_type, ends))
    if smallest.kind == "f":  # below 0 and beyond 32 bits
        smallest = np.dtype(np.int64)
    if values.dtype.kind == "f":
        return np.rint(values, out=np.empty(values.shape, smallest), casting="unsafe")
    return values.astype(smallest, copy=False)


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """All values, a million at a time, in the order in which they lie in memory."""
    yield from np.nditer(values, flags=["external_loop", "buffered"], order="K", buffersize=2**20)  # type: ignore[misc]


def _check_whole(values: np.ndarray, source: Source) -> None:
    with np.errstate(invalid="ignore"):
        rounded = np.rint(values)
        is_odd = ~(np.abs(values - rounded) <= WHOLE_TOLERANCE * np.maximum(1, np.abs(rounded)))
    is_odd |= np.abs(rounded) > 2**53
    if is_odd.any():
        odd = values[is_odd][0]
        raise UnsupportedImageError(f"{source.label} holds the value {odd:g}, which is no label. Store whole numbers.")


def find_present(values: np.ndarray) -> np.ndarray:
    """The different values, in order; of bytes by counting, which is several times faster."""
    if values.dtype != np.uint8:
        return np.unique(values)
    return np.flatnonzero(sum(np.bincount(block, minlength=256) for block in _blocks(values)))


def default_names(labels: np.ndarray) -> tuple[str, ...]:
    """What classes are called that nobody named: class_1, class_2, … up to the greatest label."""
    return tuple(f"class_{value}" for value in range(1, max(1, int(labels.max())) + 1))
