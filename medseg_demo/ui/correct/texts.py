"""What is said of corrections by hand."""

REPLACED = (
    "This result was replaced or has expired since it was shown here, so that the last edits were not taken. Open the "
    "result again and repeat them."
)
BAD_REQUEST = "What was asked for names no class or slice of this result. Reload the page, and do it again."
NO_OTHER = "There is no such other label map to copy from. Choose one of the list."
NO_SLICES = "An image has no slices to fill between. Paint on it, or use the polygon."
NO_CLICKER = "No checkpoint here finds objects by clicks. Add one on the Models tab, or use the other tools."
BAD_CLICKS = "What was clicked came damaged, or is more than {most:,} clicks. Begin another object."
STOPPED = "The network was stopped before it answered. Click again."
SAME = "Nothing to change: it lies there already, or is protected."

CORRECTED_TITLE = "Corrected by hand"
CORRECTED_SLICES_TITLE = "Corrected by hand: {slices} of {total} slices"
CORRECTED = (
    "Measurements and downloads are those of the corrected label map. Corrections end with this session unless you "
    "download it."
)
UNWRITTEN = "The corrections are kept, but their files could not be written. Edit once more to try again."
KEPT_TITLE = "Corrections that were not saved"
KEPT = "Another result took the page. These label maps were corrected before, and go when this session ends."
KEPT_FILES = "Corrected label maps"
