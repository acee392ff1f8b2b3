"""Senses that fail, and what each sense is worth."""

from mmrl.senses.faults import Absent, Delayed, Fault, FaultProcess, Frozen, Noisy, Replayed, Swapped, Zeros
from mmrl.senses.wrappers import BrokenSenses, BrokenVectorSenses

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
