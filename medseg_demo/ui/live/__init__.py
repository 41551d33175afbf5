"""The Live tab: videos, DICOM cine and a camera."""
