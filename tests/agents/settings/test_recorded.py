"""Settings of older runs, as this version reads them."""

import json
from typing import Any

import pytest

from mmrl_agents.settings.config import TrainConfig, recorded_config
from mmrl_agents.settings.recorded import config_to_dict, present_settings
from mmrl_agents.settings.starting_points import recipe_for


def older(weight: Any) -> dict[str, Any]:
    """A peg insertion on record as it was when the read-out of the state was a setting of PPO."""
    train: dict[str, Any] = json.loads(json.dumps(config_to_dict(recipe_for("mmrl/PegInsertion-v0"))))
    del train["objectives"]
    train["ppo"]["state_coef"] = weight
    return train


@pytest.mark.parametrize(("weight", "objectives"), [(0.5, {"state": {"weight": 0.5}}), (0.0, {}), (None, {})])
def test_the_read_out_of_the_state_is_an_objective_now(weight: Any, objectives: dict[str, Any]) -> None:
    config = recorded_config({"train": older(weight)})
    assert config.objectives == objectives
    assert config.ppo == recipe_for("mmrl/PegInsertion-v0").ppo


def test_settings_of_today_are_read_as_they_are() -> None:
    train = config_to_dict(TrainConfig("CartPole-v1", recipe="none", objectives={"state.weight": 2}))
    assert present_settings(train) == train
    assert recorded_config({"train": train}).objectives == {"state": {"weight": 2}}


def test_objectives_join_those_of_the_recipe() -> None:
    config = TrainConfig("mmrl/PegInsertion-v0", objectives={"sound.weight": 0.1, "sound.features": 8})
    assert config.objectives == {"state": {"weight": 1.0}, "sound": {"weight": 0.1, "features": 8}}
    assert TrainConfig("mmrl/PegInsertion-v0", objectives={"state.weight": 0}).objectives == {"state": {"weight": 0}}
    numbers = TrainConfig("mmrl/SlotCar-v0", "fitted-q", objectives={"autoencoder": 2, "clip": 0.05, "clip.size": 8})
    assert numbers.objectives == {
        "autoencoder": {"sense": "track_camera", "weight": 2},  # a number is a weight, and leaves the rest as it was
        "clip": {"weight": 0.05, "size": 8},
    }
