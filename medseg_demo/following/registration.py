"""One visit laid on another by a rigid motion, so that the same place shows the same part of the body.

SimpleITK finds turn and shift that give the highest mutual information of both images; it starts where the headers
put them, or with their middles on each other, whichever fits better. Nothing is stretched: sizes are measured in each
visit's own grid, and a registered image is only looked at and compared lesion by lesion.

Source: Mattes et al. 2003, doi:10.1109/TMI.2003.809072 (mutual information); Yaniv et al. 2018,
doi:10.1007/s10278-017-0037-8 (SimpleITK).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medseg_demo.image import Geometry, LabelMap, MedicalImage

BINS = 32
SHARE = 0.25  # of the voxels that the metric looks at
FEWEST_SAMPLES = 20_000
SEED = 15
STEPS = 100
FEWEST_SIDE = 12  # pixels along an axis at the coarsest level


@dataclass(frozen=True, eq=False)
class Registration:
    """How a visit lies on the first one.

    Attributes:
        transform: SimpleITK's: points (x, y[, z]) of the first visit's grid, in mm or px, to those of this one's.
        grid: The first visit's image.
        shift_mm: How far the middle of the first image moves, in mm (px without a spacing).
        degrees: The turn about one axis that the motion is.
        information: Mutual information in the end, in nats.
        note: What a person should know, such as that it did not help; empty where there is nothing.
    """

    transform: Any
    grid: MedicalImage
    shift_mm: float
    degrees: float
    information: float
    note: str = ""

    def lay(self, image: MedicalImage) -> MedicalImage:
        """The visit's image on the first one's grid, each channel interpolated linearly; its least value elsewhere."""
        channels = [
            self._resample(plane, image.geometry, nearest=False, outside=float(plane.min()))
            for plane in np.moveaxis(image.pixels, -1, 0)
        ] if image.channels > 1 else [
            self._resample(image.pixels, image.geometry, nearest=False, outside=float(image.pixels.min()))
        ]  # fmt: skip
        pixels = np.stack(channels, axis=-1) if image.channels > 1 else channels[0]
        if image.pixels.dtype.kind in "iu":
            pixels = np.rint(pixels).astype(image.pixels.dtype)
        return replace(image, pixels=pixels, geometry=self.grid.geometry, source_files=(), source_frames=None)

    def lay_labels(self, label_map: LabelMap) -> LabelMap:
        """The visit's label map on the first one's grid; background where it does not reach."""
        labels = self.lay_numbers(label_map.labels, label_map.geometry).astype(label_map.labels.dtype)
        return replace(label_map, labels=labels, geometry=self.grid.geometry)

    def lay_numbers(self, numbers: np.ndarray, geometry: Geometry) -> np.ndarray:
        """Whole numbers of the visit's grid (labels, objects), the nearest at each place of the first; 0 elsewhere."""
        return np.rint(self._resample(numbers, geometry, nearest=True, outside=0.0)).astype(np.int32)

    def _resample(self, array: np.ndarray, geometry: Geometry, *, nearest: bool, outside: float) -> np.ndarray:
        import SimpleITK as sitk  # noqa: N813

        moving = to_itk(array, geometry)
        grid = to_itk(np.zeros(self.grid.shape, np.uint8), self.grid.geometry)
        how = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
        return sitk.GetArrayFromImage(sitk.Resample(moving, grid, self.transform, how, outside, sitk.sitkFloat32))


def to_itk(array: np.ndarray, geometry: Geometry) -> Any:
    """An array (Y, X) or (Z, Y, X) as SimpleITK's float32 image, with the directions of its affine made right angles.

    A 2-D image lies in its own plane. Without a spacing a pixel is 1.
    """
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(np.ascontiguousarray(array, np.float32))
    if geometry.spacing_mm is not None:
        image.SetSpacing([float(step) for step in reversed(geometry.spacing_mm)])
    if geometry.affine is not None and array.ndim == 3:
        left, _, right = np.linalg.svd(geometry.affine[:3, :3])
        image.SetDirection((left @ right).ravel().tolist())
        image.SetOrigin(geometry.affine[:3, 3].tolist())
    return image


def register(moving: MedicalImage, fixed: MedicalImage) -> Registration:
    """Find the rigid motion that lays one visit's image on the first one's.

    Of several channels the first counts, of colours their mean.

    Args:
        moving: The later visit.
        fixed: The first visit.
    """
    import SimpleITK as sitk  # noqa: N813

    still, other = (to_itk(_grey(image), image.geometry) for image in (fixed, moving))
    method = _method(still)
    starts = _starts(still, other)
    values = []
    for start in starts:
        method.SetInitialTransform(start)
        values.append(_evaluate(method, still, other))
    best = int(np.argmin(values))
    transform, note = starts[best], ""
    method.SetInitialTransform(transform, inPlace=True)
    before = sitk.Transform(transform)
    try:
        method.Execute(still, other)
        method.SetInitialTransform(transform)
        after = _evaluate(method, still, other)
    except RuntimeError:  # ITK's, such as where too little of both overlaps
        after = math.inf
    if not after < values[best]:
        transform, after = before, values[best]
        note = "Registration found no better place than the start." if math.isfinite(after) else (
            "The visit could not be laid on the first one: they share too little. Its lesions are matched as they lie."
        )  # fmt: skip
    shift, degrees = _motion(transform, still)
    return Registration(transform, fixed, shift, degrees, -after if math.isfinite(after) else 0.0, note)


def as_it_lies(fixed: MedicalImage) -> Registration:
    """The motion that moves nothing, of a visit that has the first one's grid already."""
    import SimpleITK as sitk  # noqa: N813

    return Registration(sitk.Transform(3 if fixed.is_volume else 2, sitk.sitkIdentity), fixed, 0.0, 0.0, 0.0)


def _grey(image: MedicalImage) -> np.ndarray:
    if image.channels == 1:
        return image.pixels
    return image.pixels.mean(axis=-1) if image.is_colour else image.pixels[..., 0]


def _method(still: Any) -> Any:
    """ITK's registration, from coarse to fine as far as the image has pixels for it."""
    import SimpleITK as sitk  # noqa: N813

    size = still.GetSize()
    factors = [factor for factor in (4, 2) if min(size) // factor >= FEWEST_SIDE] + [1]
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(min(1.0, max(SHARE, FEWEST_SAMPLES / math.prod(size))), SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-4, numberOfIterations=STEPS, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(factors)
    method.SetSmoothingSigmasPerLevel([factor / 2 if factor > 1 else 0 for factor in factors])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    return method


def _starts(still: Any, other: Any) -> list[Any]:
    """Where the headers put both, and with their middles on each other."""
    import SimpleITK as sitk  # noqa: N813

    is_volume = still.GetDimension() == 3
    kind = sitk.Euler3DTransform if is_volume else sitk.Euler2DTransform
    middle = still.TransformContinuousIndexToPhysicalPoint([(length - 1) / 2 for length in still.GetSize()])
    as_stated = kind()
    as_stated.SetCenter(middle)
    centred = sitk.CenteredTransformInitializer(still, other, kind(), sitk.CenteredTransformInitializerFilter.GEOMETRY)
    return [as_stated, kind(centred)]


def _evaluate(method: Any, still: Any, other: Any) -> float:
    try:
        return float(method.MetricEvaluate(still, other))
    except RuntimeError:  # all samples lie outside
        return math.inf


def _motion(transform: Any, still: Any) -> tuple[float, float]:
    """How far the middle of an image moves, and by how many degrees everything turns."""
    middle = still.TransformContinuousIndexToPhysicalPoint([(length - 1) / 2 for length in still.GetSize()])
    shift = float(np.linalg.norm(np.subtract(transform.TransformPoint(middle), middle)))
    size = still.GetDimension()
    origin = np.array(transform.TransformPoint([0.0] * size))
    turn = np.column_stack([np.array(transform.TransformPoint(unit)) - origin for unit in np.eye(size).tolist()])
    cosine = (np.trace(turn) - 1) / 2 if size == 3 else turn[0, 0]
    return shift, math.degrees(math.acos(min(1.0, max(-1.0, float(cosine)))))
