"""Predictions that were made elsewhere: a folder of label maps, matched to the cases by the names of the files.

nnU-Net's folders are read as they are (``.npz`` and ``.pkl`` beside the label maps, ``fold_*/validation``, their own
``dataset.json``), and so are MONAI's ``<case>/<case>_seg.nii.gz`` and ``<case>_pred``.
"""

import hashlib
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from evaluation.errors import CaseError
from evaluation.runs.cases import CaseData, attempt, check_geometry, file_digest
from evaluation.runs.predictors import Predicted
from medseg_demo.documents import read_document
from medseg_demo.errors import OptionError
from medseg_demo.image import LabelMap
from medseg_demo.names import SUFFIXES, stem, suffix
from medseg_demo.reading.labels import read_label_map
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import DATASET_FILE, LabelMatch, Labels, match_labels, read_labels
from medseg_demo.test_sets.patients import case_of_image, case_of_mask, folders_of, match_names

FOLD = re.compile(r"(?i)fold[-_ ]?\w+")
LEFT_OUT = "{} (left out)"  # what a class is called that a person named nothing
NNUNET_OWN = (".npz", ".pkl")  # probabilities and properties beside the label maps


class FolderPredictor:
    """Reads predictions that were made elsewhere.

    Args:
        files: Case → file, from ``label_maps_in``; predictions of other cases are ignored.
        name: What the predictions are called.
        labels: The test set's.
        limits: Of the reader.
        own: The labels of the predictions themselves, by name; None where they are those of the test set.
        stated: Which of these a person named so: their name or value → the test set's.

    Raises:
        OptionError: Their labels and the test set's do not fit together.
    """

    source: Literal["run", "score"] = "score"
    parameters: int | None = None

    def __init__(
        self,
        files: Mapping[str, Path],
        name: str,
        labels: Labels,
        limits: Settings | None = None,
        own: Labels | None = None,
        stated: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.class_names, self.labels = name, labels.class_names, labels
        self._files, self._limits, self._digests = files, limits, dict[str, str]()
        match = LabelMatch(dict(labels.lookup)) if own is None else _matched(name, labels, own)
        if own is None and labels.ignore is not None:
            match.lookup[labels.ignore] = 0  # nobody predicts what is not annotated
        self._lookup, self.notes = match.lookup, tuple(f"Predictions {name!r}: {note}." for note in match.notes)
        meant = (
            {} if labels.is_plain else {"values": [list(values) for values in labels.values], "ignore": labels.ignore}
        )
        named: dict[str, object] = (
            {} if own is None else {"predicted_values": [list(pair) for pair in sorted(match.lookup.items())]}
        )
        named |= {"stated_classes": dict(stated)} if stated else {}
        self.settings: Mapping[str, object] = {"classes": list(labels.class_names), **meant, **named}

    def digest(self, case: Case) -> str:
        """Of the prediction's file, which is read once."""
        path = self._files.get(case.case_id)
        if path is not None and case.case_id not in self._digests:
            self._digests[case.case_id] = attempt(case, "prediction", lambda: file_digest(path)).hex()
        return self._digests.get(case.case_id, "")

    def run_digest(self, cases: Sequence[Case]) -> str:
        """Of the files of all cases."""
        digests = (f"{case.case_id}\0{self.digest(case)}\0" for case in sorted(cases, key=lambda case: case.case_id))
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def predict(self, case: Case, data: CaseData, stop: threading.Event) -> Predicted:
        """Read the prediction's file; see Predictor."""
        path = self._files.get(case.case_id)
        if path is None:
            raise CaseError(
                f"Case {case.case_id!r} has no prediction. Add a label map named {case.case_id} and its suffix."
            )
        prediction = attempt(case, "prediction", lambda: self._read(path, case, data))
        check_geometry(case, data.image, prediction, role="prediction")
        return Predicted(prediction.labels if prediction.instances is None else prediction.instances)

    def _read(self, path: Path, case: Case, data: CaseData) -> LabelMap:
        return read_label_map(
            path,
            class_names=self.labels.piece_names,
            image=data.image,
            settings=self._limits,
            values=self._lookup,
            colours=case.colours,
            instances=case.instances,
        )


def _matched(name: str, labels: Labels, own: Labels) -> LabelMatch:
    try:
        return match_labels(labels, own)
    except ValueError as error:
        raise OptionError(
            f"Predictions {name!r}: {error}. Rename the labels in their {DATASET_FILE}, say which is which with "
            "--classes THEIRS=OURS, or remove the file where the values are those of the test set."
        ) from None


def own_labels(folder: Path, classes: Mapping[str, str] | None = None) -> Labels | None:
    """The labels that predictions state in a ``dataset.json`` of their own (nnU-Net writes one); None without any.

    Args:
        folder: Of the predictions.
        classes: Their name or value of a class → the test set's name, as a person gave it; empty leaves it out.

    Raises:
        OptionError: The file is there and cannot be used, or has no class that was named.
    """
    own = _own_labels(folder)
    if not classes:
        return own
    if own is None:
        values = {name.removeprefix("class_"): to for name, to in classes.items()}
        if not all(map(str.isdecimal, values)):
            raise OptionError(
                f"Predictions {folder.name!r} have no {DATASET_FILE} that names labels. Give values, such as 1=lung."
            )
        said = tuple(to or LEFT_OUT.format(name) for name, to in values.items())
        return Labels(said, tuple((int(value),) for value in values))
    by_value = {str(values[0]): name for name, values in zip(own.class_names, own.values, strict=True)}
    chosen = {by_value.get(name, name) if name not in own.class_names else name: to for name, to in classes.items()}
    unknown = [name for name in chosen if name not in own.class_names]
    if unknown:
        raise OptionError(
            f"Predictions {folder.name!r} have no label {', '.join(unknown)}. They have: {', '.join(own.class_names)}."
        )
    return replace(own, class_names=tuple(chosen.get(name, name) or LEFT_OUT.format(name) for name in own.class_names))


def _own_labels(folder: Path) -> Labels | None:
    places = [folder, *_folds(folder)]
    path = next((place / DATASET_FILE for place in places if (place / DATASET_FILE).is_file()), None)
    if path is None:
        return None
    try:
        dataset = read_document(path)
        if not isinstance(dataset, dict):
            raise ValueError("it is no JSON object")
        return read_labels(dataset)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"Predictions {folder.name!r}: their {DATASET_FILE} cannot be used ({error}). Correct it, or remove it "
            "where the values are those of the test set."
        ) from None


def label_maps_in(folder: Path, case_ids: Collection[str] = ()) -> dict[str, Path]:
    """The label maps of a folder by case; files of other kinds are ignored.

    Args:
        folder: Of label maps, of a folder a case, or of nnU-Net's folds.
        case_ids: By which ``<case>_seg`` and the like are told from names that end so by themselves.

    Raises:
        OptionError: There is no such folder, or a case has two label maps.
    """
    if not folder.is_dir():
        raise OptionError(f"Predictions {folder.name!r}: there is no such folder. Check the path.")
    folds = _folds(folder)
    found: dict[str, Path] = {}
    twice: dict[str, Path] = {}
    for each in folds or [folder]:
        own = _by_case(each, folder, case_ids)
        twice |= {name: path for name, path in own.items() if name in found}
        found |= own
    if twice:
        shown = ", ".join(sorted(twice)[:10]) + (", …" if len(twice) > 10 else "")
        raise OptionError(
            f"Predictions {folder.name!r}: {len(twice)} case(s) are predicted in several folds ({shown}). Score the "
            "folds apart, or keep one prediction of each."
        )
    return found


def _folds(folder: Path) -> list[Path]:
    """nnU-Net's ``fold_0/validation``, …, or folders of folds alone; empty where a folder is none of these.

    ``fold_all`` beside others is left out: it is another model, which was trained on all cases.
    """
    folds = [each for each in folders_of(folder) if FOLD.fullmatch(each.name)] if folder.is_dir() else []
    folds = [each for each in folds if each.name != "fold_all"] or folds
    inner = [fold / "validation" if (fold / "validation").is_dir() else fold for fold in folds]
    has_own = any(_is_label_map(path) for path in folder.iterdir()) if inner else False
    return [] if has_own else inner


def _by_case(folder: Path, given: Path, case_ids: Collection[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(filter(_is_label_map, folder.iterdir()), key=lambda path: path.name):
        first = found.setdefault(stem(path), path)
        if first is path or _is_pair(first, path) or path.name.lower().endswith(NNUNET_OWN):
            continue
        if first.name.lower().endswith(NNUNET_OWN):
            found[stem(path)] = path
            continue
        raise OptionError(
            f"Predictions {given.name!r}: {first.name} and {path.name} are of one case. Keep one of them."
        )
    for each in folders_of(folder):
        if each.name not in case_ids or each.name in found:
            continue
        inside = [path for path in sorted(each.iterdir()) if _is_label_map(path)]
        if len(inside) > 1:  # beside an image, say
            inside = [path for path in inside if case_of_mask(stem(path)) in (each.name, None)] or inside
        if len(inside) > 1:
            raise OptionError(
                f"Predictions {given.name!r}: {each.name}/ holds {inside[0].name} and {inside[1].name}. Keep one of "
                "them."
            )
        if inside:
            found[each.name] = inside[0]
    return match_names(match_names(found, case_ids, case_of_mask), case_ids, case_of_image) if case_ids else found


def _is_label_map(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.lower().endswith(SUFFIXES) and path.is_file()


def _is_pair(header: Path, voxels: Path) -> bool:
    """Whether two files of one stem are the header and the voxels of one image (``.hdr`` and ``.img``)."""
    return suffix(header).lower().startswith(".hdr") and suffix(voxels).lower().startswith(".img")
