"""``python -m benchmarks.zoo NAME …``: score bundled checkpoints on the test split, once, and write down what came out.

The figures go to the card and README of each checkpoint and to the reference run of its test set; ``docs/zoo.md`` gets
its table from these. Without a name the table alone is written anew.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from evaluation.__main__ import main as evaluate
from evaluation.results.answers import Question, Standing, answer
from evaluation.results.table import read_results
from evaluation.stress.cases import SUFFIX
from medseg_demo.models.card import write_card
from medseg_demo.models.checkpoint import digest, load_folder
from medseg_demo.settings import ROOT
from medseg_demo.training.config import CONFIG_COPY, read_config
from medseg_demo.training.readme import readme, summarise

CHECKPOINTS, RUNS, PAGE = ROOT / "checkpoints", ROOT / "evaluation" / "reference_runs", ROOT / "docs" / "zoo.md"
BEGIN, END = "<!-- table: python -m benchmarks.zoo -->\n", "<!-- end of the table -->\n"

SIMULATED = {"brain": "simulated-brain"}  # made where they are needed

# Mean Dice on the test split that was aimed at, and the floor, before anything was trained.
AIMS = {
    "nerves-unet-lite0": (0.78, 0.72),
    "nuclei-unet-lite0": (0.925, 0.917),
    "vessels-unet-lite0": (0.825, 0.820),
    "vessels-unet-75k": (0.815, 0.80),
    "lungs-unet-lite0": (0.9555, 0.9555),
    "hippocampus-unet3d": (0.8886, 0.8886),
    "hippocampus-unet-gru": (0.88, 0.88),
    "hippocampus-unet2d-tiny": (0.86, 0.86),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="folders of checkpoints/, trained and chosen on val")
    parser.add_argument("--test-sets", type=Path, metavar="DIR", help="holds a folder of each task")
    options = parser.parse_args()
    prompted = [name for name in options.names if load_folder(CHECKPOINTS / name).card.prompts]
    for name in prompted:  # whose figures ``python -m evaluation clicks --write`` put into its card
        write_readme(CHECKPOINTS / name)
    alone = [name for name in options.names if name not in prompted]
    for task in sorted({task_of(name) for name in alone}):
        if task not in SIMULATED.values() and options.test_sets is None:
            parser.error("--test-sets names the folder of the images")
        test_set = task if task in SIMULATED.values() else str(options.test_sets / task)
        score(task, [name for name in alone if task_of(name) == task], test_set)
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")


def task_of(name: str) -> str:
    """The first word of a checkpoint's name is its test set's, unless that is a simulated one."""
    task = name.partition("-")[0]
    return SIMULATED.get(task, task)


def score(task: str, names: Sequence[str], test_set: str) -> None:
    """Score on ``test``; figures into cards and READMEs, rows into the reference run."""
    kept = RUNS / task
    known = [run.checkpoint for run in read_results(kept).runs] if kept.exists() else []
    others = [name for name in known if name not in names and (CHECKPOINTS / name).is_dir()]
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["run", "--test-set", test_set, "--split", "test", "--output", folder]
        if evaluate([*arguments, "--checkpoint", *others, *names]):
            raise SystemExit(f"{task}: some cases failed, so nothing was written down")
        rows = pd.read_csv(Path(folder) / "scores.csv")
        for name in names:
            write_figures(CHECKPOINTS / name, rows[rows["checkpoint"] == name])
        kept.mkdir(parents=True, exist_ok=True)
        for file in ("scores.csv", "run.json"):
            shutil.copy(Path(folder) / file, kept / file)
    # A card is part of a checkpoint's hash; its figures are new, and nothing that decides a result.
    document = json.loads((kept / "run.json").read_text(encoding="utf-8"))
    for run in document["runs"]:
        run["checkpoint_hash"] = digest(CHECKPOINTS / run["checkpoint"])
    (kept / "run.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_readme(folder: Path) -> None:
    """The card of a checkpoint in words, anew."""
    text = readme(folder.name, load_folder(folder).card, read_config(folder / CONFIG_COPY))
    (folder / "README.md").write_text(text, encoding="utf-8")


def write_figures(folder: Path, rows: pd.DataFrame) -> None:
    """The test split's figures beside those of validation."""
    card, config = load_folder(folder).card, read_config(folder / CONFIG_COPY)
    dice = rows.groupby("case_id")["dice"].mean().dropna().to_dict()
    groups = {
        column: rows.drop_duplicates("case_id").set_index("case_id")[column].astype(str).to_dict()
        for column in config.card.group_by
    }
    by_class = {str(name): list(part["dice"].dropna()) for name, part in rows.groupby("class_name", sort=False)}
    figures = summarise(dice, groups, classes=by_class if len(by_class) > 1 else None)
    known = card.scores.get("test")
    if isinstance(known, dict) and "findings" in known:
        figures["findings"] = known["findings"]
    card = card.model_copy(update={"scores": {**card.scores, "test": figures}})
    write_card(card, folder)
    (folder / "README.md").write_text(readme(folder.name, card, config), encoding="utf-8")


def table() -> str:
    """The rows of ``docs/zoo.md``, of every checkpoint that was trained here and has a reference run."""
    lines = [
        "| Checkpoint | Aim (floor) | Mean test Dice | 95 % interval | Cases | Parameters | MiB | Minutes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    found = standings()
    for folder in sorted(path for path in CHECKPOINTS.iterdir() if (path / CONFIG_COPY).exists()):
        if folder.name not in found:
            continue
        card, summary = load_folder(folder).card, found[folder.name].summary
        aim = "{:.4g} ({:.4g})".format(*AIMS[folder.name]) if folder.name in AIMS else "–"
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**20
        interval = f"{summary.low:.3f} to {summary.high:.3f}" if summary.low == summary.low else "too few cases"
        lines.append(
            f"| `{folder.name}` | {aim} | {summary.mean:.4f} | {interval} | {summary.n} | "
            f"{card.training['parameters']:,} | {size:.1f} | {card.training['minutes']:g} |"
        )
    return "\n".join(lines) + "\n"


def standings() -> dict[str, Standing]:
    """Checkpoint → its line of the leaderboard of its reference run."""
    found: dict[str, Standing] = {}
    for folder in sorted(path for path in RUNS.iterdir() if path.is_dir() and not path.name.endswith(SUFFIX)):
        results = read_results(folder)
        for test_set in {run.test_set for run in results.runs if run.test_set == folder.name}:
            for standing in answer(results, Question(test_set)).standings:
                if task_of(standing.checkpoint) == folder.name:
                    found[standing.checkpoint] = standing
    return found


if __name__ == "__main__":
    main()
