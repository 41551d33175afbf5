"""``python -m benchmarks``: every ratio, measured now, each side of a ratio by turns, printed as it is measured."""

import argparse
from collections.abc import Callable, Iterator

import torch

from benchmarks import batch, dashboard, evaluation_run, metrics, ratio, request, start_up, viewer

PARTS = ("segment", "evaluation", "viewer")


def segment(rounds: int) -> Iterator[ratio.Ratio]:
    yield request.measure(rounds=5 * rounds)
    yield start_up.measure(rounds=rounds)
    yield batch.measure(rounds=rounds)


def evaluation(rounds: int, options: dict) -> Iterator[ratio.Ratio]:
    yield from evaluation_run.measure(**options, rounds=max(1, rounds // 2))
    yield dashboard.measure(rounds=rounds)
    torch.set_num_threads(1)  # both sides of the metrics run in one thread
    yield from metrics.measure(rounds=max(1, rounds // 2))


def parts(rounds: int, options: dict) -> dict[str, Callable[[], Iterator[ratio.Ratio]]]:
    return {
        "segment": lambda: segment(rounds),
        "evaluation": lambda: evaluation(rounds, options),
        "viewer": lambda: viewer.measure(rounds=rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each ratio is measured (medians are shown)")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    evaluation_run.add_arguments(parser)
    options = vars(parser.parse_args())
    rounds, only = options.pop("rounds"), options.pop("only")
    print(ratio.machine(), flush=True)
    ratios = []
    for part in PARTS if only is None else (only,):
        for measured in parts(rounds, options)[part]():
            ratios.append(measured)
            print(f"{measured.name}: {measured.value:.2f}", flush=True)
    print(ratio.table(ratios))


if __name__ == "__main__":
    main()
