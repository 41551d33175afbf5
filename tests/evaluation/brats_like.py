"""Simulated tumours in the layout of BraTS: a folder a patient, four channels, regions that lie in each other.

``python tests/evaluation/brats_like.py FOLDER`` writes the test set of docs/evaluation.md and two prediction folders.
The enhancing tumour (ET) lies in the tumour core (TC), which lies in the whole tumour (WT); every sixth patient has no
ET. Values of the references are those of BraTS 2023 (ET is 3); B stores those of BraTS 2021 (4), and says so.
"""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (48, 48, 32)
CHANNELS = ("t1n", "t1c", "t2w", "t2f")
NECROTIC, OEDEMA = 1, 2


def regions(enhancing: int) -> dict[str, list[int] | int]:
    """The labels of ``dataset.json`` where the enhancing tumour has this value."""
    return {"background": 0, "WT": [NECROTIC, OEDEMA, enhancing], "TC": [NECROTIC, enhancing], "ET": enhancing}


def tumour(centre: np.ndarray, radii: tuple[float, float, float], enhancing: int) -> np.ndarray:
    """A label map of three balls in each other, with a necrotic core; radii of ET, TC and WT in voxels, 0 for none."""
    distance = np.sqrt(sum((grid - place) ** 2 for grid, place in zip(np.indices(SHAPE), centre, strict=True)))
    ring, core, whole = radii
    labels = np.zeros(SHAPE, np.uint8)
    labels[distance <= whole] = OEDEMA
    labels[distance <= core] = NECROTIC
    labels[(distance <= ring) & (distance > ring / 2)] = enhancing
    return labels


def write(path: Path, voxels: np.ndarray) -> None:
    """Write a volume of 1 mm voxels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)


def write_brats_like(folder: Path, patients: int = 36, *, seed: int = 0) -> None:
    """Write ``cases``, ``A`` and ``B``.

    A is off by less in every region. B finds an enhancing tumour in half of the patients who have none.
    """
    generator, rows = np.random.default_rng(seed), ["case_id,grade"]
    for number in range(patients):
        name, centre = f"BraTS-GLI-{number:05}-000", generator.uniform((20, 20, 13), (28, 28, 19))
        healthy = number % 6 == 5
        radii = (0.0 if healthy else generator.uniform(3, 5.5), generator.uniform(6, 8), generator.uniform(9, 12))
        rows.append(f"{name},{'low' if healthy else 'high'}")
        reference = tumour(centre, radii, 3)
        for place, channel in enumerate(CHANNELS):
            noise = generator.normal(100, 15, SHAPE) + 20 * place * (reference == place)
            write(folder / "cases" / name / f"{name}-{channel}.nii.gz", noise.astype(np.int16))
        write(folder / "cases" / name / f"{name}-seg.nii.gz", reference)
        for method, error, value in (("A", 0.5, 3), ("B", 0.8, 4)):
            found = tuple(radius + generator.normal(0, error) if radius else 0.0 for radius in radii)
            alarm = method == "B" and healthy and number % 12 == 5
            found = (2.5 if alarm else found[0], *found[1:])
            write(folder / method / f"{name}.nii.gz", tumour(centre + generator.normal(0, error, 3), found, value))
    (folder / "cases" / "cases.csv").write_text("\n".join(rows) + "\n")
    (folder / "cases" / "dataset.json").write_text(json.dumps({"name": "brats-like", "labels": regions(3)}))
    (folder / "B" / "dataset.json").write_text(json.dumps({"labels": regions(4)}))


if __name__ == "__main__":
    write_brats_like(Path(sys.argv[1]))
