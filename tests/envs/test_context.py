"""Context parameters: settings, draws and errors."""

import numpy as np
import pytest

from mmrl.streams import Streams
from mmrl_envs.context import Choice, Parameter, WorldContexts

PARAMETERS = (
    Parameter("depth_m", (0.0, 1.0), 0.0, 2.0, "how deep"),
    Parameter("friction", 0.5, 0.1, 1.0, "how rough"),
    Choice("shape", "round", ("round", "square", "hexagonal"), "which"),
)
WORLDS = np.arange(8)


def draw(setting: dict[str, object], seed: int = 0) -> dict[str, np.ndarray]:
    return WorldContexts(PARAMETERS, 8, setting).draw(WORLDS, {"task": Streams(seed, "context", 8)})


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
    assert set(draw({"shape": "all"}, seed=3)["shape"]) == {0.0, 1.0, 2.0}


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
        ({"friction": "0.5"}, r"takes a number"),
        ({"friction": True}, r"takes a number"),
        ({"friction": b"\x01\x02"}, r"takes a number"),
        ({"friction": 0.5 + 1j}, r"takes a number"),
        ({"friction": ("0.2", "0.5")}, r"takes a number"),
        ({"friction": np.full(8, "0.5")}, r"'friction' must be numbers, got <U3"),
        ({"friction": np.full(8, 0.5 + 1j)}, r"'friction' must be numbers, got complex128"),
        ({"friction": np.ones(8, bool)}, r"'friction' must be numbers, got bool"),
        ({"friction": np.ma.masked_array(np.full(8, 0.5), True)}, r"'friction' must be a plain array, got a masked"),
        ({"friction": np.full(8, np.nan)}, r"must lie in"),
        ({"shape": b"round"}, r"takes 'all' or names"),
        ({"shape": np.zeros(8)}, r"takes 'all' or names"),
        ({"depth_m": np.zeros(3)}, r"shape \(8,\), got \(3,\)"),
        ({"shape": "star"}, r"unknown 'star'.*'round', 'square', 'hexagonal'"),
        ({"shape": ()}, r"no option given"),
    ],
)
def test_bad_settings_name_the_thing_the_bound_and_the_value(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(setting)


def test_an_invalid_update_changes_nothing() -> None:
    context = WorldContexts(PARAMETERS, 8)
    with pytest.raises(ValueError, match="friction"):
        context.update({"depth_m": 0.3, "friction": 7.0})
    assert len(np.unique(context.draw(WORLDS, {"task": Streams(0, "context", 8)})["depth_m"])) == 8


def test_single_worlds_may_have_their_own() -> None:
    context = WorldContexts(PARAMETERS, 8, {"friction": 0.3})
    context.assign(np.array([2, 5]), [{"friction": (0.8, 0.9), "shape": "hexagonal"}, {"depth_m": 1.5}])
    drawn = context.draw(WORLDS, {"task": Streams(0, "context", 8)})
    before = draw({"friction": 0.3})
    assert 0.8 <= drawn["friction"][2] < 0.9
    assert drawn["shape"].tolist() == [0, 0, 2, 0, 0, 0, 0, 0]
    assert drawn["depth_m"][5] == 1.5
    for name in drawn:
        for world in {0, 1, 3, 4, 6, 7}:
            assert drawn[name][world] == before[name][world]
    assert context.spelled("shape", drawn["shape"]).tolist() == ["round", "round", "hexagonal", *["round"] * 5]


def test_an_invalid_assignment_changes_nothing() -> None:
    context = WorldContexts(PARAMETERS, 8, {"friction": 0.3})
    with pytest.raises(ValueError, match=r"'friction' must lie in \[0.1, 1.0\], got 7.0"):
        context.assign(np.array([0, 1]), [{"friction": 0.8}, {"friction": 7.0}])
    with pytest.raises(ValueError, match="2 worlds need as many contexts, got 1"):
        context.assign(np.array([0, 1]), [{"friction": 0.8}])
    assert (context.draw(WORLDS, {"task": Streams(0, "context", 8)})["friction"] == 0.3).all()


def test_a_saved_context_comes_back() -> None:
    context = WorldContexts(PARAMETERS, 8, {"shape": ("square", "hexagonal")})
    context.assign(np.array([4]), [{"friction": (0.8, 0.9), "shape": "round"}])
    other = WorldContexts(PARAMETERS, 8)
    other.load_state_dict(context.state_dict())
    one, same = (each.draw(WORLDS, {"task": Streams(0, "context", 8)}) for each in (context, other))
    for name in one:
        np.testing.assert_array_equal(one[name], same[name])
