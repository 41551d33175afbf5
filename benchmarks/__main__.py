"""``python -m benchmarks``: every ratio, measured now, each side of a ratio by turns, printed as it is measured."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import (
    batch,
    clicks,
    cluster,
    dashboard,
    evaluation_run,
    live,
    metrics,
    ratio,
    request,
    start_up,
    training,
    versions,
    viewer,
    visitors,
)

PARTS = ("segment", "versions", "evaluation", "volume", "visitors", "viewer", "training", "ray", "live", "clicks")


def segment(rounds: int) -> Iterator[ratio.Ratio]:
    yield request.measure(rounds=5 * rounds)
    yield start_up.measure(rounds=rounds)
    yield start_up.measure_space(rounds=rounds)
    yield batch.measure(rounds=rounds)


def other_version(rounds: int, other: Path | None, test_sets: Path | None) -> Iterator[ratio.Ratio]:
    if other is not None:
        yield from versions.measure(other.resolve(), test_sets=test_sets, rounds=max(1, rounds // 2))


def beside_a_volume(rounds: int) -> Iterator[ratio.Ratio]:
    yield visitors.beside_a_volume(rounds=2 * rounds)


def evaluation(rounds: int, options: dict) -> Iterator[ratio.Ratio]:
    yield from evaluation_run.measure(**options, rounds=max(1, rounds // 2))
    yield from dashboard.measure(rounds=rounds)
    torch.set_num_threads(1)  # both sides of the metrics run in one thread
    yield from metrics.measure(rounds=max(1, rounds // 2))


Part = Callable[[], Iterator[ratio.Ratio]]


def parts(rounds: int, options: dict, other: Path | None, test_sets: Path | None) -> dict[str, Part]:
    return {
        "segment": lambda: segment(rounds),
        "versions": lambda: other_version(rounds, other, test_sets),
        "evaluation": lambda: evaluation(rounds, options),
        "volume": lambda: beside_a_volume(rounds),
        "visitors": visitors.many_visitors,
        "viewer": lambda: viewer.measure(rounds=rounds),
        "training": lambda: training.measure(rounds=rounds),
        "live": lambda: iter([live.measure(rounds=max(1, rounds // 2))]),
        "clicks": lambda: iter([clicks.measure(rounds=max(1, rounds // 2))]),
        "ray": lambda: cluster.measure(rounds=max(1, rounds // 2)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each ratio is measured (medians are shown)")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--other", type=Path, metavar="DIR", help="a checkout of version 0.1, to compare with")
    parser.add_argument("--test-sets", type=Path, metavar="DIR", help="what both versions evaluate")
    evaluation_run.add_arguments(parser)
    options = vars(parser.parse_args())
    rounds, only = options.pop("rounds"), options.pop("only")
    other, test_sets = options.pop("other"), options.pop("test_sets")
    print(ratio.machine(), flush=True)
    ratios = []
    for part in PARTS if only is None else (only,):
        for measured in parts(rounds, options, other, test_sets)[part]():
            ratios.append(measured)
            print(f"{measured.name}: {measured.value:.2f}", flush=True)
    print(ratio.table(ratios))


if __name__ == "__main__":
    main()
