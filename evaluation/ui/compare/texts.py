"""Every wording of the Compare tab, and the few phrases that are put together from figures."""

from evaluation.comparison.agreement import Region
from evaluation.comparison.several import Figures
from evaluation.metrics.volume import SizeUnit
from medseg_demo.numbers import number, percent, seconds

TAB = "Compare"
UPLOAD = "Or add images or volumes"
UPLOAD_HINT = "Files, the files of DICOM series, or a zip. They are deleted after an hour."
STUDY = "Which one to compare on"
EVERY_STUDY = "All {count}, one after the other"
CHECKPOINTS = "Checkpoints"
CHECKPOINTS_HINT = "Two to six that find the same things; one is enough with a reference or a label map."
MORE = "Add references or label maps"
MORE_HINT = (
    "In the image's own size; pixel values are the classes, 0 is background. Of several images each file is called as "
    "its image, with or without a word: case_01.png, case_01_expert.nii.gz."
)
REFERENCES = "Reference (the expert's label map), one an image"
LABEL_MAPS = "Label maps made elsewhere"
CLASSES = "Classes that are called differently"
CLASSES_HINT = (
    "Names that differ in case, spaces or plural are matched, and values without names by their number. Otherwise one "
    "line a class: its own name = the name here. Nothing behind the = leaves it out."
)
CLASSES_EXAMPLE = "class_1 = lung\nexpert: class_2 = heart"
COMPARE = "Compare"
STOP = "Stop"
READY = "Ready to compare"

SEGMENTING = "Segmenting {name} with {checkpoint}"
TIMING = "Timing {checkpoint}"
OF_IMAGES = "{place} of {total}: {words}"
OPENING = "Opening {name}"
NO_IMAGE = "Choose a sample above, or add an image of your own, then press Compare."
EMPTY_TITLE = "Nothing to compare yet"
EMPTY = (
    "See where two to six segmentations of one image differ: add an image on the left, choose checkpoints that find "
    "the same things, or add label maps that another program or a person made, and press Compare."
)
NO_CHECKPOINT = (
    "No two usable checkpoints find the same things, so there is no example. Label maps can be compared all the same."
)
STALE_TITLE = "Settings changed since this result"
STALE = "Press Compare to bring it up to date."
ERROR_TITLE = "This could not be done"
STOPPED_TITLE = "Stopped: this result is partial"
STOPPED = "{done} of {total} label maps are there and kept below."
STOPPED_IMAGES = "{done} of {total} images are done and kept below."
STOPPED_NONE = "Stopped before the first result. Nothing was changed."
FAILED_TITLE = "{failed} of {total} images could not be compared on"
EXPIRED_TITLE = "This session has expired"
EXPIRED = "Its results were deleted after an hour. Press Compare to make them again."
KEPT = "The result on the page is still the previous one ({name})."
IMAGES = "{count} images"
IMAGE = "Image in the viewer"
IMAGE_HINT = "J and K in the viewer go to the next and the previous one. The networks run again for it."

ADD_CORRECTED = "Save as a new label map of this comparison"
ADDED_TITLE = "{name} is compared with the others now"
ADDED = "Its Dice stands in the table below, and its file among the downloads. Pressing Compare leaves it out again."
ONE_IMAGE = (
    "With several images at once, a corrected label map joins none of them. Write its file above, and add it on the "
    "left, called as its image, for another run."
)
NO_MORE = (
    "There are {count} label maps beside the reference already. Take one out and compare again, or write the file."
)
CORRECTED_NOTE = "Made of {name} by hand. {how}"

CONSENSUS = "Show what they say together"
CONSENSUS_HINT = "One more picture, made of all label maps but the reference (their consensus)."
CONSENSUS_CHOICES = [("No", ""), ("Most votes", "majority"), ("Weighed votes (STAPLE)", "staple")]
MAJORITY_NOTE = "Most votes: each pixel's most frequent class; a tie is background ({tied})."
STAPLE_NOTE = (
    "Weighed votes (STAPLE, Warfield et al. 2004): each label map counts as much as it agrees with the others; pixels "
    "above a probability of 0.5."
)

MEMBERS = "What is compared"
MEMBER_COLUMNS = ("Label map", "Class", "Size")
SCORE_COLUMNS = ("Dice", "HD95")
COST_COLUMNS = ("Time", "Loading", "Parameters", "Memory")
PAIRS = "Each two against each other"
PAIR_COLUMNS = ("Pair", "Class", "Dice", "Difference in size")
MEANS = "Means over {count} images"
MEAN_DICE, MEAN_AGREEMENT = "Mean Dice", "Mean agreement"
MEAN_COLUMNS = ("Label map", "Class", "Mean size")
EACH = "Image by image"
EACH_COLUMNS = ("Image", "Class", "Differ on")
EACH_DICE = "Dice of each label map against the reference of the image."
EACH_AGREEMENT = "Without a reference: the mean Dice of each label map with the others."
NO_SCORES_NOTE = "Dice and HD95 need a reference; none was added."
PAIRS_NOTE = "Difference in size: the second minus the first. Dice is n/a where neither holds the class."
DISAGREEMENT = "Where they differ"

WORDS = "What the words mean"
TERMS = {
    "Dice": "How much two masks overlap: 1 where they are the same, 0 where they share nothing.",
    "HD95": "Of the distances from the border of one mask to that of the other, the one that 95 % do not exceed.",
    "Agreement": "The mean Dice of a label map with each of the others; the reference is none of them.",
    "Mean": (
        "Over the images that have a value. Where a class is in neither mask of an image, that counts as right (1) as "
        "soon as another label map finds something there."
    ),
    "Time": (
        "One segmentation of this image by the loaded network, without reading and writing of files: "
        "the median of three; a single one where it takes more than five seconds, and on the later of several images. "
        "Waiting for others is not in it."
    ),
    "Loading": "What the network took to be read, converted and compiled before; near 0 where that was done already.",
    "Parameters": "How many numbers the network has learned.",
    "Memory": (
        "Parameters in single precision and the most that the network's tensors took at once for one image, tile or "
        "window of its input size. Reading, resizing and the program itself come on top."
    ),
    "Consensus": "One label map made of all, by votes that may weigh as much as each agrees with the others (STAPLE).",
}

DOWNLOADS = "Download"
CONSENSUS_FILE = "Consensus"
MEANS_CSV = "Means, CSV"
MEMBERS_CSV = "Table, CSV"
PAIRS_CSV = "Pairs, CSV"
DOCUMENT = "Figures, JSON"
ALL_FILES = "Everything, zip"

UNITS: dict[SizeUnit, str] = {"ml": "ml", "mm2": "mm²", "voxels": "voxels", "px": "px"}


def size(value: float, unit: SizeUnit) -> str:
    """A size with its unit: pixels and voxels as counts, the others with three digits, also where the last is 0."""
    counted = unit in ("px", "voxels") or not 0 < value < 100
    return f"{number(value) if counted else f'{value:#.3g}'.rstrip('.')} {UNITS[unit]}"


def difference(value: float, unit: SizeUnit) -> str:
    """A difference with its sign."""
    sign = "+" if value > 0 else "−" if value < 0 else "±"
    return f"{sign}{size(abs(value), unit)}"


def region(found: Region) -> str:
    """A region's size, for the viewer."""
    return size(found.size, found.unit)


def scores_note(reference: str) -> str:
    """What the scores are against; a reference that is called so needs no name."""
    return "Dice and HD95 are against the reference" + ("." if reference == "reference" else f", {reference}.")


def timed(value: float | None, passes: int) -> str:
    """A time, with the number of passes where that is not the usual one."""
    return "–" if value is None else seconds(value) + (" (once)" if passes == 1 else "")


def share(figures: Figures) -> str:
    """On how much of an image its label maps differ."""
    return percent(figures.share)


def disagreement(figures: Figures, largest: Region | None, visited: int) -> list[str]:
    """Sentences about where label maps differ.

    Args:
        figures: Of the image.
        largest: The largest region, if there is one.
        visited: How many the viewer goes to.
    """
    kind, connected = ("voxels", "faces, edges and corners") if figures.is_volume else ("pixels", "edges and corners")
    if largest is None:
        return [f"They agree on all {kind}."]
    parts = "1 region" if figures.regions == 1 else f"{number(figures.regions)} regions"
    capped = f" The viewer visits the {visited} largest." if figures.regions > visited else ""
    return [
        f"They differ on {percent(figures.share, 2)} of all {kind}, in {parts} (connected through {connected}). "
        f"The largest is {size(largest.size, largest.unit)} of {largest.class_name}.{capped}",
        "N and P in the viewer go to the next and the previous one, the largest first.",
    ]
