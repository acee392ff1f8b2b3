"""The parameters that may differ from episode to episode of peg insertion."""

from __future__ import annotations

import numpy as np

from mmrl_envs.context import Choice, Parameter
from mmrl_envs.tasks.peg.pegs import PEG_SHAPES

SHAPE_NAMES = tuple(PEG_SHAPES)
"""Names of the shapes, in the order in which contexts number them."""


def peg_parameters(*, turning: bool) -> tuple[Choice | Parameter, ...]:
    """The context parameters; where the action turns the tool, the hole lies at any yaw."""
    yaw = (-np.pi, np.pi) if turning else 0.0
    return (
        Choice("shape", "square", SHAPE_NAMES, "cross-section of the peg"),
        Parameter(
            "clearance_mm",
            None,
            0.2,
            5.0,
            "hole width minus peg width; by default the shape's own, about 2 mm",
        ),
        Parameter("hole_x_m", (-0.04, 0.04), -0.04, 0.04, "place of the hole in the workspace"),
        Parameter("hole_y_m", (-0.04, 0.04), -0.04, 0.04, "place of the hole in the workspace"),
        Parameter(
            "hole_yaw_rad",
            yaw,
            -np.pi,
            np.pi,
            "turn of the hole, wrapped by the shape's symmetry; of the semicircle scaled from pi to 2.4 rad, the "
            "reach of the last joint",
        ),
        Parameter("start_x_m", (-0.01, 0.01), -0.04, 0.04, "place of the tip at the start"),
        Parameter("start_y_m", (-0.01, 0.01), -0.04, 0.04, "place of the tip at the start"),
        Parameter(
            "start_z_m",
            (0.02, 0.05),
            0.005,
            0.08,
            "height of the tip above the block at the start",
        ),
        Parameter(
            "start_progress",
            0.0,
            0.0,
            1.0,
            "share of the way from there that is made already: at 0.5 in the mouth of the hole, turned as it is, "
            "at 1 a push from its floor",
            group="start",  # of its own, so that the others are drawn as they were before it came
        ),
        Parameter("friction", 0.4, 0.05, 1.5, "sliding friction of peg and block"),
        Parameter("hole_estimate_error_m", 0.0, 0.0, 0.05, "distance between true and estimated hole"),
    )
