"""The worth of each sense: the same episodes without it, with it alone, and with it broken."""

from mmrl.worth.conditions import BrokenWays, Condition
from mmrl.worth.shapley import shapley_values
from mmrl.worth.table import SensesReport, Trials, judge_senses
from mmrl.worth.worth import Estimate, SenseRow, Worth, worth_of

__all__ = [
    "BrokenWays",
    "Condition",
    "Estimate",
    "SenseRow",
    "SensesReport",
    "Trials",
    "Worth",
    "judge_senses",
    "shapley_values",
    "worth_of",
]
