"""Networks, checkpoints and the catalog of what is there."""
