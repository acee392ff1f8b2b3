"""Context parameters: settings, draws and errors."""

import numpy as np
import pytest

from mmrl.streams import Streams
from mmrl_envs.context import Choice, Context, Parameter

PARAMETERS = (
    Parameter("depth_m", (0.0, 1.0), 0.0, 2.0, "how deep"),
    Parameter("friction", 0.5, 0.1, 1.0, "how rough"),
    Choice("shape", "round", ("round", "square", "hexagonal"), "which"),
)
WORLDS = np.arange(8)


def draw(setting: dict[str, object], seed: int = 0) -> dict[str, np.ndarray]:
    return Context(PARAMETERS, 8, setting).draw(WORLDS, {"task": Streams(seed, "context", 8)})


def test_defaults_values_ranges_and_arrays() -> None:
    drawn = draw({})
    assert ((drawn["depth_m"] >= 0) & (drawn["depth_m"] <= 1)).all()
    assert len(np.unique(drawn["depth_m"])) == 8
    assert (drawn["friction"] == 0.5).all()
    assert (drawn["shape"] == 0).all()
    per_world = np.linspace(0.0, 0.7, 8)
    assert (draw({"depth_m": per_world})["depth_m"] == per_world).all()
    assert (draw({"depth_m": 0.25})["depth_m"] == 0.25).all()
    assert set(draw({"shape": ("square", "hexagonal")}, seed=3)["shape"]) == {1.0, 2.0}
    assert set(draw({"shape": "all"}, seed=3)["shape"]) <= {0.0, 1.0, 2.0}


def test_fixing_one_parameter_leaves_the_draws_of_the_others() -> None:
    free, fixed = draw({"friction": (0.1, 1.0)}), draw({"friction": (0.1, 1.0), "depth_m": 0.5})
    assert (free["friction"] == fixed["friction"]).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            {"colour": 1},
            r"unknown context \['colour'\]; this environment has \['depth_m', 'friction', 'shape'\]",
        ),
        ({"friction": 2.0}, r"'friction' must lie in \[0.1, 1.0\], got 2.0"),
        ({"friction": (0.9, 0.2)}, r"low 0.9 exceeds high 0.2"),
        ({"friction": "rough"}, r"takes a number"),
        ({"friction": float("nan")}, r"must lie in"),
        ({"depth_m": np.zeros(3)}, r"shape \(8,\), got \(3,\)"),
        ({"shape": "star"}, r"unknown 'star'.*'round', 'square', 'hexagonal'"),
        ({"shape": ()}, r"no option given"),
    ],
)
def test_bad_settings_name_the_thing_the_bound_and_the_value(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(setting)


def test_an_invalid_update_changes_nothing() -> None:
    context = Context(PARAMETERS, 8)
    with pytest.raises(ValueError, match="friction"):
        context.update({"depth_m": 0.3, "friction": 7.0})
    assert len(np.unique(context.draw(WORLDS, {"task": Streams(0, "context", 8)})["depth_m"])) == 8
