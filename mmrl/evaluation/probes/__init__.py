"""Probes: what can be read off frozen features, and how surely."""

from mmrl.evaluation.probes.base import Prepared, Probe, ReadOff
from mmrl.evaluation.probes.estimators import KernelSVM, LinearProbe, LinearSVM
from mmrl.evaluation.probes.mkl import MultipleKernels, kernel_weights
from mmrl.evaluation.probes.neighbours import NearestNeighbours
from mmrl.evaluation.probes.rows import FeatureSource, ProbeRows, ProbeTarget, targets_of
from mmrl.evaluation.probes.scores import Scored, balanced_accuracy, r_squared
from mmrl.evaluation.probes.table import OTHER_EPISODE, SHUFFLED, Answer, probe_all

__all__ = [
    "OTHER_EPISODE",
    "PROBES",
    "SHUFFLED",
    "Answer",
    "FeatureSource",
    "Prepared",
    "Probe",
    "ProbeRows",
    "ProbeTarget",
    "ReadOff",
    "Scored",
    "balanced_accuracy",
    "kernel_weights",
    "probe_all",
    "r_squared",
    "targets_of",
]

PROBES: dict[str, type[Probe]] = {
    "neighbours": NearestNeighbours,
    "linear": LinearProbe,
    "linear_svm": LinearSVM,
    "kernel_svm": KernelSVM,
    "kernels": MultipleKernels,
}
"""Probes by name; a new one is one more entry."""
