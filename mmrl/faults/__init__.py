"""Senses that fail: absent, noisy, frozen, delayed, swapped."""

from mmrl.faults.faults import Absent, Delayed, Fault, FaultProcess, Frozen, Noisy, Replayed, Swapped, Zeros
from mmrl.faults.wrappers import BrokenSenses, BrokenVectorSenses

__all__ = [
    "Absent",
    "BrokenSenses",
    "BrokenVectorSenses",
    "Delayed",
    "Fault",
    "FaultProcess",
    "Frozen",
    "Noisy",
    "Replayed",
    "Swapped",
    "Zeros",
]
