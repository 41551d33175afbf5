"""``python -m benchmarks``: the three ratios, measured now, each side of a ratio by turns."""

import argparse

from benchmarks import batch, ratio, request, start_up


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each ratio is measured (medians are shown)")
    rounds = parser.parse_args().rounds
    print(ratio.machine(), flush=True)
    ratios = [
        request.measure(rounds=5 * rounds),
        start_up.measure(rounds=rounds),
        batch.measure(rounds=rounds),
    ]
    print(ratio.table(ratios))


if __name__ == "__main__":
    main()
