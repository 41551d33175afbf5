"""Moving pictures for tests: drawn, and written as videos of any container or as DICOM cine."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

TICKS = 1000
CODECS = {".mp4": "libx264", ".avi": "mpeg4", ".webm": "libvpx-vp9", ".gif": "gif", ".mkv": "ffv1"}


def ultrasound(frames: int, size: tuple[int, int] = (64, 80), seed: int = 0) -> np.ndarray:
    """A bright wall around a dark chamber that beats and drifts, under speckle: uint8 (N, Y, X)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    pictures = []
    for index in range(frames):
        phase = 2 * np.pi * index / 12
        radius = 0.22 * min(size) * (1 + 0.3 * np.sin(phase))
        distance = np.hypot(y - size[0] / 2, x - size[1] / 2 - 2 * np.sin(phase / 3))
        echo = np.where(distance < radius, 20, np.where(distance < radius + 8, 190, 70))
        speckle = ndimage.gaussian_filter(random.rayleigh(0.8, size), 0.7)
        pictures.append(np.clip(echo * speckle, 0, 255).astype(np.uint8))
    return np.stack(pictures)


def write_video(
    path: Path, pictures: Sequence[np.ndarray], *, times_ms: Sequence[int] = (), codec: str = "", **options: str
) -> Path:
    """Write grey (Y, X), RGB (Y, X, 3) or RGBA pictures, 25 a second unless their times are given."""
    codec = codec or CODECS[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = {"gif": "rgb8", "ffv1": "bgra" if pictures[0].shape[-1] == 4 else "bgr0"}.get(codec, "yuv420p")
        stream.codec_context.time_base = Fraction(1, 25 if codec in ("mpeg4", "gif") else TICKS)
        for index, picture in enumerate(pictures):
            kind = "gray" if picture.ndim == 2 else f"rgb{'a' if picture.shape[-1] == 4 else '24'}"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)
            frame.pts = times_ms[index] if times_ms else index * 1000 // 25
            frame.time_base = Fraction(1, TICKS)
            if codec in ("mpeg4", "gif"):
                frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn_mp4(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Put a display matrix (a, b, c, d) into the header of an MP4's track (ISO/IEC 14496-12, 8.3.2)."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 4 + 5 * 4 + 8 + 4 * 2  # flags, times of version 0, reserved, layer to volume
    a, b, c, d = (value << 16 for value in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def write_cine(path: Path, pictures: np.ndarray, **elements: object) -> Path:
    """Write an ultrasound multi-frame image of uint8 (N, Y, X), with more elements by their keywords."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Modality, dataset.PatientName, dataset.PatientID = "US", "SECRET^NAME", "ID-SECRET"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pictures.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pictures.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path
