"""The way to the Hugging Face Hub. ``run.publish`` does it; the command line reads this package at its start."""
