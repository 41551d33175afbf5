"""Every wording of the Follow tab."""

TAB = "Follow"
UPLOAD = "Visits of one patient"
UPLOAD_HINT = "A file, the files of a DICOM series, or a zip for each visit. They are deleted after an hour."
SIMULATED = "Or try simulated ones"
SIMULATED_BUTTON = "Five simulated visits"
SIMULATED_HINT = (
    "Nuclei whose areas grow by 15, 30, 50 and 70 %, each time shifted, turned and with noise of their own."
)
CHECKPOINT = "Checkpoint"
DATES = "Dates"
DATES_HINT = (
    "Those of DICOM headers and file names are known. Otherwise one a study in the order of the list, with commas "
    "between: 2024-03-01, 2024-09-12; or days: 0, 195."
)
MORE = "How sure the figures are"
REPEATS = "Measure each visit again"
REPEATS_HINT = "So many times under small changes; 0 gives no intervals."
DEVIATION = "Your own deviation of repeated sizes, in %"
DEVIATION_HINT = "Where you have measured it, such as by scanning twice. Left empty, that of the repeats counts."
REGISTER = "Lay later visits on the first one"
FOLLOW = "Follow"
STOP = "Stop"
READY = "Ready to follow"

VISITS = "Studies"
VISIT_COLUMNS = ("Study", "Date")
NO_DATE = "not known"
SEGMENTING = "Visit {name}"
OPENED = "{count} visits over {days} days with {checkpoint}"
VISIT = "Visit beside the first one"
VISIT_CHOICE = "Visit {place}, day {day}"
VISIT_NAME = "Visit {place}"
VIEWER_HINT = (
    "Both visits lie on the first one's grid, so that every place shows the same part of the body. The picture is the "
    "later visit's; < and > switch to the first one's and to their difference."
)
PICTURE = "picture of visit {place}"
DIFFERENCE = "difference"
OVER_TIME = "Over time"
DOWNLOAD = "All files"

EMPTY_TITLE = "Nothing to follow yet"
EMPTY = (
    "Add two or more studies of one patient on the left and choose a checkpoint, or press Five simulated visits. What "
    "it finds is measured at each visit, with the uncertainty of a repeated measurement, and each lesion is looked for "
    "at the next visit."
)
NO_STUDIES = "Add at least two studies of one patient, then press Follow."
NO_CHECKPOINT = "Choose a checkpoint, then press Follow."
STALE_TITLE = "Settings changed since this result"
STALE = "Press Follow to bring it up to date."
ERROR_TITLE = "This could not be done"
STOPPED_TITLE = "Stopped"
STOPPED = "Nothing was changed."
EXPIRED_TITLE = "This session has expired"
EXPIRED = "Its results were deleted after an hour. Press Follow to make them again."
WARNINGS = "What to know of the visits"
