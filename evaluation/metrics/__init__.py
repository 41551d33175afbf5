"""Metrics of segmentation for one class of one case, and the table that describes them.

Masks are boolean arrays, (Y, X) or (Z, Y, X). Distances are in the unit of ``spacing``, in px without one. What an
empty mask gives stands in each function and in each record of METRICS.
"""

from evaluation.metrics.lesions import lesion_f1, lesion_precision, lesion_recall
from evaluation.metrics.overlap import accuracy, dice, f_beta, iou, mcc, precision, recall, specificity
from evaluation.metrics.score import score_case
from evaluation.metrics.surface import (
    average_symmetric_surface_distance,
    boundary_iou,
    hausdorff_distance,
    mean_average_surface_distance,
    surface_dice,
)
from evaluation.metrics.table import METRICS, Metric
from evaluation.metrics.topology import centre_line_dice
from evaluation.metrics.volume import absolute_volume_error, volume_error

__all__ = [
    "METRICS",
    "Metric",
    "absolute_volume_error",
    "accuracy",
    "average_symmetric_surface_distance",
    "boundary_iou",
    "centre_line_dice",
    "dice",
    "f_beta",
    "hausdorff_distance",
    "iou",
    "lesion_f1",
    "lesion_precision",
    "lesion_recall",
    "mcc",
    "mean_average_surface_distance",
    "precision",
    "recall",
    "score_case",
    "specificity",
    "surface_dice",
    "volume_error",
]
