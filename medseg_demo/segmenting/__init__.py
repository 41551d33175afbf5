"""The steps of one segmentation, from image to label map and measurements."""
