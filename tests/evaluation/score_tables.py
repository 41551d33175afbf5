"""Small tidy tables for tests of the statistics and the plots."""

import math

import numpy as np
import pandas as pd

NA = math.nan


def table_of(scores, *, metric="dice", groups=None, test_set="set", **metadata):
    """A table from {checkpoint: [value, ...]}, or {checkpoint: [(one a class), ...]}; "failed" makes a failed case."""
    rows = []
    for checkpoint, values in scores.items():
        for place, value in enumerate(values):
            for number, one in enumerate(value if isinstance(value, tuple) else (value,), start=1):
                lost = isinstance(one, str)
                # A value that is not applicable is that of two empty masks.
                volume = NA if lost else 0.0 if math.isnan(one) else 10.0 + place
                rows.append(
                    {
                        "test_set": test_set,
                        "checkpoint": checkpoint,
                        "case_id": f"case_{place:03d}",
                        "class_name": f"class_{number}",
                        "status": "failed" if lost else "ok",
                        "error": "unreadable" if lost else "",
                        **({"group": groups[place]} if groups else {}),
                        **{column: cells[place] for column, cells in metadata.items()},
                        metric: NA if lost else float(one),
                        "reference_volume": volume,
                        "predicted_volume": 1.1 * volume,
                        "distance_unit": "mm",
                        "size_unit": "ml",
                    }
                )
    return pd.DataFrame(rows)


def simulated(cases=40, checkpoints=3, classes=2, seed=0, misses=0.02, failures=0.01, empty=0.02):
    """A table as large runs give it: checkpoints that differ a little, with misses, failures and empty masks."""
    generator = np.random.default_rng(seed)
    shape = (checkpoints, cases, classes)
    net, case, label = (place.ravel() for place in np.indices(shape))
    dice = np.clip(generator.beta(8, 2, shape[1:]) + generator.normal(0, 0.05, shape), 0, 1).ravel() - 0.02 * net
    hd95 = np.where(generator.random(len(net)) < misses, np.inf, generator.gamma(2, 3, len(net)))
    reference = np.broadcast_to(generator.lognormal(3, 1, shape[1:]), shape).ravel()
    predicted = reference * generator.normal(1, 0.1, len(net))
    absent = generator.random(len(net)) < empty
    failed = np.broadcast_to((generator.random(shape[:2]) < failures)[..., np.newaxis], shape).ravel()
    scores = pd.DataFrame({"dice": np.maximum(dice, 0), "hd95": hd95, "reference_volume": reference})
    scores["predicted_volume"] = predicted
    scores.loc[absent] = [np.nan, np.nan, 0, 0]
    scores.loc[failed] = np.nan
    identity = pd.DataFrame(
        {
            "test_set": "set",
            "checkpoint": [f"net{place}" for place in net],
            "case_id": [f"case_{place:05d}" for place in case],
            "class_name": [f"class_{place + 1}" for place in label],
            "status": np.where(failed, "failed", "ok"),
            "error": np.where(failed, "unreadable", ""),
            "site": generator.choice(["A", "B", "C"], cases)[case],
        }
    )
    return pd.concat([identity, scores], axis=1).assign(distance_unit="mm", size_unit="ml")
