"""A run from its test set to its results, for tests, in this process."""

from evaluation.runs import runner
from evaluation.runs.request import RunOptions
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import read_test_set

SETTINGS = Settings(device="cpu", precision="float32", threads=1)


def run(folder, checkpoints, output, *, split=None, settings=SETTINGS, **options):
    others = {name: options.pop(name) for name in ("predictions", "progress", "stop") if name in options}
    chosen = RunOptions(**{"workers": 0, **options})
    return runner.run(
        [read_test_set(folder, split=split)], checkpoints, output, options=chosen, settings=settings, **others
    )


def events(output, *kinds):
    """What the log says of cases: (event, case id)."""
    lines = [line.split("\t") for line in (output / "run.log").read_text().splitlines()]
    return [(line[1], line[4]) for line in lines if line[1] in kinds]
