"""Where the voxels of a NIfTI image lie: two transforms with their codes, voxel sizes and a unit.

The sform is preferred, as nibabel does; ITK may prefer the qform, so both are kept for label maps as they are stored,
and nibabel's repairs of a header are not used.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, "METHOD 1" to "METHOD 3".
"""

import itertools
from typing import Any

import numpy as np

from medseg_demo.image import Geometry, NiftiForms, spacing_of

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# xyzt_units: metres, millimetres, micrometres. Many programs leave it at 0 and mean mm, as all readers take it.
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
CODES = range(1, 6)  # the spaces that NIfTI knows; nibabel ignores a transform of any other
# Half a degree: more than the rounding of a header, less than a gantry tilt.
SHEAR_TOLERANCE = 0.01
CONFLICT_VOXELS = 0.1
SIZE_TOLERANCE = 0.01  # relative
FLATTEST = 1e-3  # volume of the three directions, below which they span no space


def locate(fields: Any, shape: tuple[int, ...]) -> tuple[Geometry, tuple[str, ...]]:
    """Spacing and affine: by the sform where it is set, else by the qform, else the voxel sizes alone.

    Args:
        fields: nibabel's header of either version; not changed.
        shape: (Y, X) or (Z, Y, X).

    Returns:
        The geometry, its affine to LPS (NIfTI's own is RAS), and notes on what the header contradicts. The spacing is
        unknown where a voxel size that it rests on is 0 or not finite, or where the unit is none of NIfTI's. Both
        transforms are kept as they are stored, since ITK may prefer the qform.
    """
    unit, axes = int(fields["xyzt_units"]) & 7, len(shape)
    scale = np.array([MM_PER_UNIT.get(unit, 1.0)] * 3 + [1])
    pixdim = np.array(fields["pixdim"][:4], dtype=np.float64)
    sizes = np.abs(pixdim[1 : axes + 1]) * scale[0]
    # What is 0 or no number counts as 1, for nibabel and for ITK.
    pixdim = np.where(np.isfinite(pixdim) & (pixdim != 0), pixdim, 1)
    codes = {name: int(fields[f"{name}_code"]) for name in ("sform", "qform")}
    with np.errstate(over="ignore", invalid="ignore"):
        built = {"sform": fields.get_sform(), "qform": _qform(fields, np.abs(pixdim[1:]))}
        built = {name: scale[:, np.newaxis] * form for name, form in built.items() if codes[name] > 0}
    found = {name: form for name, form in built.items() if _spans_space(form)}
    forms = NiftiForms(
        qform=found.get("qform"),
        qform_code=codes["qform"] if "qform" in found else 0,
        sform=found.get("sform"),
        sform_code=codes["sform"] if "sform" in found else 0,
        pixdim=tuple((pixdim * scale[[3, 0, 1, 2]]).tolist()),  # type: ignore[arg-type]
    )
    notes = [
        f"Its transform to the patient ({name}) is singular or no number, and was ignored."
        for name in built
        if name not in found and codes[name] in CODES
    ]
    used = [name for name in found if codes[name] in CODES]
    are_known = bool(np.isfinite(sizes).all() and (sizes > 0).all())
    if unit not in MM_PER_UNIT:
        return Geometry(None, None, forms), (*notes, f"NIfTI knows no unit of code {unit}, so the spacing is unknown.")
    if not are_known and used[:1] != ["sform"]:
        unknown = "A voxel size (pixdim) is 0 or no number, so the spacing is unknown."
        return Geometry(None, None, forms), (*notes, unknown)
    if not used:
        return Geometry(tuple(sizes[::-1].tolist()), None, forms), tuple(notes)
    affine = found[used[0]]
    notes += _contradictions([found[name] for name in used], fields, shape)
    steps = np.linalg.norm(affine[:3, :3], axis=0)[:axes]
    if used[0] == "sform" and are_known and not np.allclose(sizes, steps, rtol=SIZE_TOLERANCE, atol=0):
        stated, counted = (" × ".join(f"{size:.4g}" for size in each) for each in (sizes, steps))
        notes.append(f"Its voxel sizes (pixdim, {stated} mm) contradict its sform ({counted} mm), which counts here.")
    return Geometry(spacing_of(affine)[-axes:], LPS_FROM_RAS @ affine, forms), tuple(notes)


def _qform(fields: Any, sizes: np.ndarray) -> np.ndarray:
    """As the standard says, where nibabel takes small first numbers of the quaternion for 0 and refuses signed sizes.

    Rounding can make the quaternion of a half turn longer than 1; its first number is 0 then.
    """
    from nibabel.quaternions import quat2mat

    last = np.array([float(fields[f"quatern_{letter}"]) for letter in "bcd"])
    form = np.eye(4)
    form[:3, 3] = [float(fields[f"qoffset_{letter}"]) for letter in "xyz"]
    first = np.sqrt(np.maximum(0, 1 - last @ last))
    if not np.isfinite(first):
        return form * np.nan
    form[:3, :3] = quat2mat((first, *last)) * sizes * [1, 1, -1 if fields["pixdim"][0] == -1 else 1]
    return form


def _spans_space(affine: np.ndarray) -> bool:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and np.isfinite(lengths).all() and lengths.min() > 0):
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / lengths)) > FLATTEST)


def _contradictions(used: list[np.ndarray], fields: Any, shape: tuple[int, ...]) -> list[str]:
    """What a person should know of the transforms in use, the one that counts first, to RAS mm."""
    notes, pixdim = [], fields["pixdim"]
    directions = used[0][:3, :3] / np.linalg.norm(used[0][:3, :3], axis=0)
    lean = float(np.abs(directions.T @ directions - np.eye(3)).max())
    if lean > SHEAR_TOLERANCE:
        notes.append(
            f"Its axes are not at right angles, by up to {np.degrees(np.arcsin(min(lean, 1))):.2g}° (the affine is "
            "sheared). Volumes are right; distances are measured as if they were at right angles."
        )
    ends = [(0, length - 1) for length in shape[::-1]] + [(0,)] * (3 - len(shape))
    apart = np.array([*itertools.product(*ends, (1,))]) @ (used[0] - used[-1]).T  # of each corner
    shift = float(np.linalg.norm(apart[:, :3], axis=1).max())
    if shift > CONFLICT_VOXELS * min(spacing_of(used[0])):
        notes.append(
            f"Its two transforms to the patient (sform and qform) lie up to {shift:.3g} mm apart. The sform "
            "counts here; both are kept in label maps."
        )
    if (pixdim[1 : 1 + len(shape)] < 0).any():
        notes.append(
            "A voxel size (pixdim) is negative: its size counts, as in nibabel. Programs of ITK mirror the image."
        )
    if int(fields["qform_code"]) in CODES and pixdim[0] not in (-1, 0, 1):
        notes.append("Its pixdim[0] is neither 1 nor -1, and was taken for 1, as nibabel does.")
    return notes
