"""Training: a test-set folder and a configuration → a checkpoint folder.

What only training needs (Lightning, MONAI, encoder weights) is in ``requirements-train.txt`` and imported when
``train`` is called.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from medseg_demo.errors import TrainingError
from medseg_demo.settings import Settings

__all__ = ["lengthen", "train"]

NEEDED = ("lightning", "monai")


def train(
    test_set: Path | str | Sequence[Path | str],
    config: Path | str,
    output: Path | str,
    *,
    settings: Settings | None = None,
    seeds: tuple[int, ...] = (),
) -> Path:
    """Train a checkpoint; an interrupted training in ``output`` is taken up where its last epoch ended.

    On the same machine and versions a resumed training gives the same weights as an uninterrupted one.

    Args:
        test_set: A test-set folder with the splits that the configuration names; several for ``kind: prompted``.
        config: A YAML file, as ``medseg_demo.training.config.TrainingConfig`` describes it.
        output: The checkpoint folder; its name is the checkpoint's. The best checkpoint so far lies in it from
            the first validation on.
        settings: Device, precision and the limits of files count; None takes the environment's.
        seeds: A training each, in ``output`` with "-seed1" and so on after its name; what is finished stays as it is.
            By default the configuration's ``seeds``.

    Returns:
        The checkpoint folder, of several seeds that of the first.

    Raises:
        TrainingError: The configuration is faulty, a package is missing, or ``output`` holds another checkpoint.
        TestSetError: The test set has faults; all are listed.
    """
    _check_packages()
    from medseg_demo.training.run import run

    folders = [test_set] if isinstance(test_set, Path | str) else test_set
    return run(
        [Path(folder) for folder in folders], Path(config), Path(output), settings or Settings.from_environment(), seeds
    )


def lengthen(test_set: Path | str, checkpoint: str, epochs: int, *, settings: Settings | None = None) -> Path:
    """Train a finished checkpoint further, from its weights, with a warm-up and a cosine fall over the added epochs.

    Its best epoch stays what the folder holds until a better one is found; its log goes on, and its card keeps a record
    of each training. An interrupted one is taken up by the same call.

    Args:
        test_set: What it was trained on.
        checkpoint: The name of its folder in the checkpoints folder, or its path.
        epochs: How many are added.
        settings: As of ``train``.

    Returns:
        The checkpoint folder.

    Raises:
        TrainingError: It was not trained here, or on other cases.
        CheckpointError: There is none of that name.
        TestSetError: The test set has faults; all are listed.
    """
    _check_packages()
    from medseg_demo.training.run import lengthen as run_longer

    return run_longer(Path(test_set), checkpoint, epochs, settings or Settings.from_environment())


def _check_packages() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"Training needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            "Run: pip install -r requirements-train.txt"
        )
