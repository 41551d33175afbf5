"""Click to segment: clicks, a box or a scribble and an image → the mask of one object, by a class-agnostic network."""
