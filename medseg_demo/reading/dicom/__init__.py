"""DICOM files, frames and series."""
