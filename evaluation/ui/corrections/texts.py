"""The words around a viewer in which label maps are corrected."""

from medseg_demo.numbers import seconds

TITLE = "Correct by hand"
WHICH = "What to correct"
WHICH_HINT = "Then press Correct in the viewer. Corrections stay until this page is closed."
NOTHING = "nothing"
REFERENCE = "the reference"
FORMAT = "Format"
WRITE = "Write the file"
FILE = "Corrected label map"
UNCHANGED_TITLE = "Nothing was changed yet"
UNCHANGED = "Choose what to correct, press Correct in the viewer, and paint."
REPLACED = "{name} is another one than was corrected here before, so that those corrections are gone."
PROBLEM_TITLE = "This could not be done"
CHANGES = "Dice before and after"
COLUMNS = ("Against", "Class", "Before", "After")
READY = "{name} is shown as it is. Press Correct in the viewer to paint."


def spent(slices: int, total: int, time_s: float) -> str:
    """How much was corrected, and how long it took."""
    where = "Corrected." if total == 1 else f"Corrected in {slices} of {total} slices."
    return f"{where} Time spent: {duration(time_s)}." if time_s else where


def duration(time_s: float) -> str:
    """Such as "12.4 s" or "3 min 20 s"."""
    if time_s < 60:
        return seconds(time_s)
    minutes, rest = divmod(round(time_s), 60)
    return f"{minutes} min {rest} s"
