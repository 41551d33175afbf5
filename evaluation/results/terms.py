"""Short names of the metrics, and what the words of the tables mean, in a plain sentence each."""

from evaluation.metrics import METRICS

LABELS = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "hd95": "HD95",
    "assd": "ASSD",
    "nsd": "Surface Dice",
    "reference_volume": "Reference size",
    "predicted_volume": "Predicted size",
    "volume_error": "Relative volume error",
    "absolute_volume_error": "Volume error",
    "f_beta": "F2",
    "mcc": "Matthews correlation",
    "hd": "Hausdorff distance",
    "masd": "MASD",
    "boundary_iou": "Boundary IoU",
    "cldice": "Centre-line Dice",
    "lesion_precision": "Lesion precision",
    "lesion_recall": "Lesion recall",
    "lesion_f1": "Lesion F1",
}

TERMS = {
    "95 % interval": "Had other cases of the same kind been drawn, the value would mostly have come out in this range.",
    "Median, quartiles": "The value of the middle case, and those between which the middle half of the cases lies.",
    "n": "How many values are in the mean.",
    "Misses": "Cases in which one of the two masks is empty and the other is not: their distance is infinite (∞).",
    "Failed": "Cases that could not be segmented or read; the table of cases says why.",
    "n/a": "Not applicable: reference and prediction are both empty, so there is nothing to score.",
    "p": "How often a difference as large would come about by chance if the two were equally good.",
    "Holm": "Several comparisons at once find something by chance more often; p is raised for that (Holm 1979).",
    "Signed-rank test": "Wilcoxon's test of paired cases: it asks whether one is better in more cases, and by more.",
    "Resamples": "The cases are drawn anew many times, with repeats (bootstrap), to see what would have varied.",
    "Ranks": "Three ways to rank: by the mean; by the mean of the ranks in each case; by how many others are beaten.",
    "HD95": "Hausdorff distance: 95 % of the two outlines lie within this distance of each other.",
    "ASSD, MASD": "The mean distance between the two outlines, over all points together, or over each outline first.",
    "Surface Dice (NSD)": "The share of the two outlines that lie within the tolerance of each other.",
    "IoU": "What both masks share, divided by what either covers (Jaccard index).",
}


def label(metric: str, *, unit: str = "") -> str:
    """A metric's short name, such as "HD95 (mm)"; a column that is no metric of ours keeps its own."""
    record = METRICS.get(metric)
    name = LABELS.get(metric) or (record.long_name if record else metric)
    return f"{name} ({unit})" if unit else name
