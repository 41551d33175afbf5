"""What is said of corrections by hand."""

REPLACED = (
    "This result was replaced or has expired since it was shown here, so that the last edits were not taken. Open the "
    "result again and repeat them."
)
BAD_REQUEST = "What was asked for names no class or slice of this result. Reload the page, and do it again."
NO_OTHER = "There is no such other label map to copy from. Choose one of the list."
NO_SLICES = "An image has no slices to fill between. Paint on it, or use the polygon."
SAME = "Nothing to change: it lies there already, or is protected."
