"""Curricula: outcomes of finished episodes in, context of the next episode out.

No engine, no torch: a curriculum knows names and numbers, and an environment whatever it makes of them.
"""

from mmrl.curriculum.base import Curriculum, CurriculumConfig, EpisodeResult
from mmrl.curriculum.gated import Staged, SuccessGated
from mmrl.curriculum.learning_progress import LearningProgress
from mmrl.curriculum.prioritized import Prioritized
from mmrl.curriculum.registry import CURRICULA, curriculum_config, make_curriculum
from mmrl.curriculum.schedules import Linear, Stepwise, Uniform
from mmrl.curriculum.space import Context, ContextSpace, Interval, Options, linear_decay
from mmrl.curriculum.wrapper import CurriculumWrapper

__all__ = [
    "CURRICULA",
    "Context",
    "ContextSpace",
    "Curriculum",
    "CurriculumConfig",
    "CurriculumWrapper",
    "EpisodeResult",
    "Interval",
    "LearningProgress",
    "Linear",
    "Options",
    "Prioritized",
    "Staged",
    "Stepwise",
    "SuccessGated",
    "Uniform",
    "curriculum_config",
    "linear_decay",
    "make_curriculum",
]
