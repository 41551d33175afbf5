"""Every wording of the Compare tab, and the few phrases that are put together from figures."""

from evaluation.comparison.agreement import Disagreement, Region
from evaluation.metrics.volume import SizeUnit
from medseg_demo.ui.texts import number

TAB = "Compare"
UPLOAD = "Or add an image or a volume"
UPLOAD_HINT = "A file, the files of one DICOM series, or a zip. It is deleted after an hour."
STUDY = "Which one to compare on"
CHECKPOINTS = "Checkpoints"
CHECKPOINTS_HINT = "Two to four that find the same classes; one is enough with a reference or a label map."
MORE = "Add a reference or label maps"
MORE_HINT = "In the image's own size; pixel values are the classes, 0 is background."
REFERENCE = "Reference (the expert's label map)"
LABEL_MAPS = "Label maps made elsewhere"
COMPARE = "Compare"
STOP = "Stop"
READY = "Ready to compare"

WORKING = "Working …"
SEGMENTING = "Segmenting {name} with {checkpoint}"
NO_IMAGE = "Choose a sample above, or add an image of your own, then press Compare."
NO_CHECKPOINT_TITLE = "No two checkpoints to compare"
NO_CHECKPOINT = "Add an image, checkpoints of the same classes or label maps, and press Compare."
STALE_TITLE = "Settings changed since this result"
STALE = "Press Compare to bring it up to date."
ERROR_TITLE = "This could not be done"
STOPPED_TITLE = "Stopped: this result is partial"
STOPPED = "{done} of {total} label maps are there and kept below."
STOPPED_NONE = "Stopped before the first result. Nothing was changed."
EXPIRED_TITLE = "This session has expired"
EXPIRED = "Its results were deleted after an hour. Press Compare to make them again."
KEPT = "The result on the page is still the previous one ({name})."

CONSENSUS = "Consensus"
CONSENSUS_HINT = "What the label maps other than the reference say together, as one more picture."
CONSENSUS_CHOICES = [("none", ""), ("majority", "majority"), ("STAPLE", "staple")]
MAJORITY_NOTE = "Majority: each pixel's most frequent class; a tie is background ({tied})."
STAPLE_NOTE = (
    "STAPLE (Warfield et al. 2004): each label map weighs as much as it agrees with the others, pixels above a "
    "probability of 0.5."
)

MEMBERS = "What is compared"
MEMBER_COLUMNS = ("Label map", "Class", "Size")
SCORE_COLUMNS = ("Dice", "HD95")
COST_COLUMNS = ("Time", "Parameters", "Memory")
PAIRS = "Each two against each other"
PAIR_COLUMNS = ("Pair", "Class", "Dice", "Difference in size")
MEMORY_NOTE = (
    "Memory: the parameters in single precision and the most that the network's tensors took at once for one image, "
    "tile or window of its input size, measured on this device. Reading, resizing and the program itself come on top."
)
SCORES_NOTE = "Dice and HD95 (95th percentile of the distances between borders) are against the reference, {name}."
NO_SCORES_NOTE = "Dice and HD95 need a reference; none was added."
PAIRS_NOTE = "Difference in size: the second minus the first. Dice is n/a where neither holds the class."
DISAGREEMENT = "Where they differ"

DOWNLOADS = "Download"
CONSENSUS_FILE = "Consensus"
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


def disagreement(found: Disagreement, *, is_volume: bool) -> list[str]:
    """Sentences about where label maps differ."""
    kind, connected = ("voxels", "faces, edges and corners") if is_volume else ("pixels", "edges and corners")
    if not found.found:
        return [f"They agree on all {kind}."]
    largest = found.regions[0]
    parts = "1 region" if found.found == 1 else f"{number(found.found)} regions"
    capped = f" The viewer visits the {len(found.regions)} largest." if found.found > len(found.regions) else ""
    return [
        f"They differ on {found.share:.2%} of all {kind}, in {parts} (connected through {connected}). The largest is "
        f"{size(largest.size, largest.unit)} of {largest.class_name}.{capped}",
        "N and P in the viewer go to the next and the previous one, the largest first.",
    ]
