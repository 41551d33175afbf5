"""``kind: prompted``: a network learns to find whatever object clicks, a scribble or a box are about."""
