"""The cases of a run on a Ray cluster."""
