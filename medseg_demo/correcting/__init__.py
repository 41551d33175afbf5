"""A label map, corrected by hand: edits → the present label map → files, and the references of test sets."""
