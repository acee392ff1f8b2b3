"""Senses that fail, and what each sense is worth."""

from mmrl.senses.conditions import BrokenWays, Condition
from mmrl.senses.faults import Absent, Delayed, Fault, FaultProcess, Frozen, Noisy, Replayed, Swapped, Zeros
from mmrl.senses.shapley import shapley_values
from mmrl.senses.table import SensesReport, Trials, judge_senses
from mmrl.senses.worth import Estimate, SenseRow, Worth, worth_of
from mmrl.senses.wrappers import BrokenSenses, BrokenVectorSenses

__all__ = [
    "Absent",
    "BrokenSenses",
    "BrokenVectorSenses",
    "BrokenWays",
    "Condition",
    "Delayed",
    "Estimate",
    "Fault",
    "FaultProcess",
    "Frozen",
    "Noisy",
    "Replayed",
    "SenseRow",
    "SensesReport",
    "Swapped",
    "Trials",
    "Worth",
    "Zeros",
    "judge_senses",
    "shapley_values",
    "worth_of",
]
