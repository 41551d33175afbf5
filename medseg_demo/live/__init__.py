"""Moving pictures: video files, DICOM cine and a camera, frame by frame through one checkpoint."""
