"""An image and a volume to be made worse, for tests."""

import numpy as np
from scipy import ndimage

from medseg_demo.image import Geometry, LabelMap, MedicalImage


def picture(channels=1, seed=0, side=64):
    """Blobs on a slope, 8-bit: darker and brighter things of several sizes, with a mask of the brightest."""
    random = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(random.standard_normal((side, side)), 4)
    grey = np.interp(blobs, (blobs.min(), blobs.max()), (20, 230)).astype(np.uint8)
    pixels = grey if channels == 1 else np.stack([grey, grey // 2, 255 - grey], axis=-1)
    image = MedicalImage(pixels, "YX" if channels == 1 else "YXC", Geometry(), "p", "PNG", 8, (0.0, 255.0))
    return image, LabelMap((grey > 150).astype(np.uint8), ("bright",))


def volume(dtype=np.float32, side=24):
    random = np.random.default_rng(1)
    blobs = ndimage.gaussian_filter(random.standard_normal((side, side + 4, side + 8)), 2)
    pixels = np.interp(blobs, (blobs.min(), blobs.max()), (-50, 1000)).astype(dtype)
    window = tuple(map(float, np.percentile(pixels, (0.5, 99.5))))
    image = MedicalImage(pixels, "ZYX", Geometry((2.0, 1.0, 1.0)), "v", "NIfTI", 16, window)
    return image, LabelMap((pixels > 600).astype(np.uint8), ("bright",), image.geometry)
