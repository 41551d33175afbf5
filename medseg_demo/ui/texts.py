"""Every wording of the page, and the few phrases that are put together from figures."""

from collections.abc import Sequence

from medseg_demo.numbers import number as number
from medseg_demo.numbers import percent as percent
from medseg_demo.numbers import seconds as seconds

TITLE = "Medical image segmentation"
TAGLINE = "For research and teaching. Not a medical device; do not base a diagnosis on it."
DEVICE = "Runs on {device}"
LENT_DEVICE = "Runs on a GPU lent for seconds of your daily share; without it, and for Evaluate, on {device}"

SEGMENT_TAB = "Segment"
MODELS_TAB = "Models"

SAMPLES = "Start from a sample"
UPLOAD = "Or add your own images"
UPLOAD_HINT = (
    "DICOM, NIfTI, NRRD, MHA, PNG, JPEG, TIFF, BMP, WebP, NPY or NPZ; one, several, or a zip. The slices of a DICOM "
    "series become one volume. "
    "They stay on the computer that runs this page and are deleted after an hour."
)
CHECKPOINT = "Checkpoint"
CHECKPOINT_HINT = "The trained network, grouped by what it finds."
ABOUT_CHECKPOINT = "About this checkpoint"
OPTIONS = "Options"
THRESHOLD = "Threshold"
THRESHOLD_HINT = "A pixel belongs to the class above this probability."
THRESHOLD_OFF = "Not used: this checkpoint has several classes, and the most probable one wins."
FLIPS = "Average over flipped copies"
FLIPS_HINT = "Slower, often a little more accurate (test-time augmentation)."
HEAT_MAP = "Heat map"
HEAT_MAP_HINT = "Beside the result, which stays as it is: what the network looked at, or where it is unsure."
NO_HEAT_MAP = "None"
GRADCAM = "What the network looked at for {name} (Grad-CAM)"
EVERY_CLASS = "all classes"
FLIPS_HEAT = "Where mirrored inputs change the result"
ENSEMBLE_HEAT = "Where the ensemble's members disagree"
HEAT_MAP_PNG, HEAT_MAP_NIFTI, HEAT_MAP_NPY = "Heat map, PNG", "Heat map, NIfTI", "Heat map, NPY"
DENOISE = "Denoise first"
DENOISE_CHOICES = [("No filter", "none"), ("Mean", "mean"), ("Gaussian", "gaussian"), ("Median", "median")]
SMALLEST = "Smallest component (pixels or voxels)"
SMALLEST_HINT = "Smaller separate pieces are removed; 0 keeps all."
HOLES = "Fill holes"
DEIDENTIFY = "New names"
DEIDENTIFY_HINT = (
    "Results are called case_0001 and so on, and a DICOM SEG names no patient. Pictures keep what is in the pixels."
)
CHANNEL_ORDER = "Channels"
CHANNEL_ORDER_HINT = (
    "Those that the network gets, in its order: names or numbers, with commas. Empty goes by their names."
)
CROP = "Crop box"
CROP_HINT = (
    "Only this box is segmented: z0, y0, x0, z1, y1, x1 in voxels, without the ends. Draw it in the viewer, or type it."
)
SEGMENT = "Segment"
STOP = "Stop"

GALLERY = "All results: choose one to open it"
DOWNLOADS = "Download"
LABEL_MAP = "Label map"
OVERLAY = "Overlay"
MEASUREMENTS = "Measurements"
FINDING_PRESENT = "{probability} (threshold {threshold}: present)"
FINDING_ABSENT = "{probability} (threshold {threshold}: absent)"
INSIDE = "Intensities inside each class"
MEASUREMENTS_JSON = "Measurements, JSON"
MEASUREMENTS_CSV = "Measurements, CSV"
ALL_FILES = "Everything, zip"

OTHER_FORMATS = "Other formats"
FORMAT = "Format"
PREPARE = "Prepare file"
FILES_READY = "Files"
PNG_SLICES = "PNG, one a slice (zip)"
SURFACE_STL = "Surface, STL"
SURFACE_GLB = "Surface with colours, GLB"
NO_RESULT = "There is no result to write yet. Press Segment first."
SURFACE = "Surface in 3-D"
SHOW_SURFACE = "Show the surface"
SURFACE_NOTE = "Drag to turn, scroll to zoom; a click on a name in the legend hides that class."
SURFACE_EMPTY = "No voxel belongs to a class, so there is no surface."
SURFACE_AXES = ("right – left (mm)", "front – back (mm)", "feet – head (mm)")
SURFACE_AXES_VOXELS = ("x (voxels)", "y (voxels)", "z (voxels)")

OVER = "Reference or other labels, laid over it"
LAID_OVER = "Laid over: {name}"
NO_IMAGE_BELOW = "There is no image to lay a label map over. Add the image first, one alone."
NOT_OF_THE_IMAGE = "{name}: {why}. Choose the label map of this image."
TURN_OVER = "Image {number} of {count}"
TURN_OVER_KEYS = "The keys J and K, pressed in the viewer, show the others."
HEADER_FACTS = "From the DICOM header"

STUDY = "Which one to segment"
STUDY_HINT = "The upload holds more than one."
EVERY_STUDY = "All {count}, one after the other"
ONE_VOLUME = "{name}: volume {number} of {count}"
VOLUMES_AS_CHANNELS = "{name}: all {count} volumes as channels of one image"
FILES_AS_CHANNELS = "{name}: {count} files as channels of one image ({names})"
FOLDER = "Add a folder"
LOOKING = "Looking at {count} files …"
READING = "Reading {name} …"
TOO_MANY_IMAGES = (
    "The upload holds {count} images, and {most} are taken at once (a DICOM series counts as one). Add fewer at once; "
    "who runs this page can raise the limit (MEDSEG_MAX_UPLOAD_FILES)."
)
READING_SLICES = "Reading {count} DICOM slices …"

WORKING = "Working …"
SEGMENTING = "Segmenting {name}"
STEPS = {
    "preprocess": "preprocess {time}",
    "network": "network {time}",
    "postprocess": "postprocess {time}",
}
WINDOWS = "window {done} of {total}"
PREFLIGHT = "Ready to segment"
FILES = "{count} files"
IMAGES = "{count} images"
STUDIES = "{count} series or volumes"
CHANNELS = "Channels"
DICOM_SERIES = "DICOM series"
NOT_READ = "–"
MORE_FILES = "and {count} more, read when their turn comes"
NO_FILE = "Choose a sample above, or add an image of your own, then press Segment."
NO_CHECKPOINT_TITLE = "No usable checkpoint"
NO_CHECKPOINT = (
    "The folder {folder} holds no checkpoint that can be used. Put one there (config.json, model.safetensors and "
    "medseg.json), then reload this page. The Models tab says what is wrong with those that are there."
)
NO_SAMPLE_TITLE = "Nothing to show yet"
NO_SAMPLE = "Add an image on the left and press Segment."
OTHER_IMAGE_TITLE = "This result is of {name}"
STALE_TITLE = "Settings changed since this result"
STALE = "Press Segment to bring it up to date."
ERROR_TITLE = "This could not be done"
ERROR_KEPT = "The result on the page is still the previous one ({name})."
UNEXPECTED = (
    "Something went wrong that this program did not foresee. Try again; if it happens once more, report it with the "
    "reference {reference}, under which the log holds the details."
)
CLICK_TITLE = "Ready for clicks"
NOTHING_TITLE = "Nothing found"
DOUBTED = "Doubted results"
DOUBT_TITLE = "Look closely at this result"
DOUBTED_TITLE = "Look closely: {doubted} of {total} results may have failed"
STOPPED_TITLE = "Stopped: this result is partial"
STOPPED = "{done} of {total} files are done and kept below."
STOPPED_NONE = "Stopped before the first result. Nothing was changed."
FAILED_TITLE = "{failed} of {total} files could not be segmented"
EXPIRED_TITLE = "This session has expired"
EXPIRED = "Its results were deleted after an hour. Press Segment to make them again."
UNKNOWN = "unknown"
GREY, COLOUR = "grey", "colour"
MEASURED = {"dice_mean": "Dice, mean", "dice_median": "Dice, median", "dice_worst": "Dice, worst"}
NO_NUMBER = "The threshold is {value!r}. Give a number between 0 and 1, or leave it out."
NO_COUNT = "The smallest component is {value!r}. Give a whole number of pixels, or leave it out."
NO_VOLUME = "The volume is {value!r}. Give a whole number from 1, or leave it out."
NO_ANSWER = "{name} is {value!r}. Give true or false, or leave it out."
NO_NAMES = "The checkpoints are {value!r}. Give a list of names."
VOLUME_OR_CHANNELS = "Both a volume and channels were asked for. Give one of them."
NO_EXPLAIN = "No heat map was asked for. Give gradcam, gradcam:CLASS, flips, or of an ensemble ensemble."
CANCELLED = "This run was ended early."
ONE_FILE_ONLY = "The endpoint takes exactly one file. Call it once for each file."


def nothing_found(threshold: float | None, highest: Sequence[tuple[str, float]], *, unit: str = "pixel") -> str:
    """Why a result is empty: the highest probability of each class against the threshold."""
    figures = "; ".join(f"{name}: {value:.2f}" for name, value in highest)
    if threshold is None:
        return f"No {unit} was given to a class; background was always more probable. Highest probability: {figures}."
    return f"No {unit} lies above {threshold:.2f}. Highest probability: {figures}. A lower threshold would show it."


def likewise(line: str, others: Sequence[str], *, named: int = 3) -> str:
    """A sentence about one file that holds for others too; so many of these are named."""
    if not others:
        return line
    more = f" and {len(others) - named} more" if len(others) > named else ""
    return " ".join([line, f"Likewise {', '.join(others[:named])}{more}."])


def measurements_of(count: int) -> str:
    """The title of the table of several images, of which there may be only one left."""
    return f"{MEASUREMENTS} of 1 image" if count == 1 else f"{MEASUREMENTS} of {count} images"


def file_limit(mib: int) -> str:
    """How large an uploaded file may be; the browser refuses a larger one before this program sees it."""
    most = f"{mib // 1024} GiB" if mib >= 1024 and mib % 1024 == 0 else f"{mib} MiB"
    return f"At most {most} a file."


def queued(name: str, ahead: int, wait_s: float | None) -> str:
    """Where a run stands in the queue."""
    before = f"{ahead} before you" if ahead else "your turn is next"
    return f"{name} waits: {before}" + ("" if wait_s is None else f", about {seconds(wait_s)}")


def running(done: int, total: int, name: str) -> str:
    """Which of several files is being worked on."""
    return f"Segmenting {done + 1} of {total}: {name}"


def finding(probability: float, threshold: float) -> str:
    """How probable a finding is, and whether it is called present."""
    text = FINDING_PRESENT if probability >= threshold else FINDING_ABSENT
    return text.format(probability=f"{probability:.2f}", threshold=f"{threshold:.2f}")
