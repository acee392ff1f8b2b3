"""A critic with senses of its own, of any kind, from the infos of worlds to the update of PPO.

The worlds are a line, where the actor feels its distance from the left end alone and only the critic sees the map.
"""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from mmrl.modality import Custom, Modality, Unencoded
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl.representation.state import StateReadOut
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.games import Games
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.ppo import PPO
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.settings.algorithm import build_network
from mmrl_agents.settings.config import TrainConfig
from tests.toys.groups import LIMIT, MAP, PLACES, STATE, Line


def flattened(modality: Modality) -> torch.nn.Module:
    """A network of one's own for a map."""
    return torch.nn.Sequential(Floats(), torch.nn.Flatten(), torch.nn.Linear(PLACES**2, 7))


class Floats(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float() / 255


def rollout_on(envs: Line, steps: int = 12, **policy: Any) -> Rollout:
    torch.manual_seed(0)
    config = PolicyConfig(fused_features=8, actor_hidden=(6,), critic_hidden=(16,))
    made = ActorCritic(envs.modalities, spaces.Discrete(2), config, envs.critic_modalities, **policy)
    storage = RolloutStorage(steps, envs.num_envs, made.senses, spaces.Discrete(2), torch.device("cpu"))
    rollout = Rollout(envs, made, storage, EpisodeStatistics(), torch.Generator().manual_seed(0))
    rollout.start(seed=1)
    return rollout


def test_its_readings_stand_beside_those_of_the_actor() -> None:
    envs = Line()
    rollout = rollout_on(envs)
    rollout.collect()
    stored = rollout.storage.observations
    assert {name: (rows.shape, rows.dtype) for name, rows in stored.items()} == {
        "distance": ((13, 3, 1), torch.float32),
        "map": ((13, 3, PLACES, PLACES, 1), torch.uint8),
        "privileged": ((13, 3, 2), torch.float32),
    }
    # Where the map is lit is where the state says that it is, in every row.
    place, goal = stored["privileged"].long().unbind(-1)
    lit = stored["map"].flatten(2).long().argmax(dim=-1)
    assert torch.equal(lit, PLACES * place + goal)
    assert torch.equal(stored["distance"].squeeze(-1).long(), place)


def test_episodes_cut_short_are_valued_by_what_the_critic_sensed_last() -> None:
    rollout = rollout_on(Line())
    rollout.collect()
    storage, policy = rollout.storage, rollout.policy
    cut = storage.truncated.bool()
    assert cut.sum() == 6
    with torch.no_grad():
        begun = policy.value({name: rows[1:].flatten(0, 1) for name, rows in storage.observations.items()})
        for t, world in cut.nonzero().tolist():
            # The goal of the old episode, and the place after the last step of it.
            place, goal = storage.observations["privileged"][t, world].tolist()
            place = min(max(place + 2 * float(storage.actions[t, world]) - 1, 0), PLACES - 1)
            seen = torch.zeros(1, PLACES, PLACES, 1, dtype=torch.uint8)
            seen[0, int(place), int(goal)] = 255
            expected = policy.value({"map": seen, "privileged": torch.tensor([[place, goal]])})
            torch.testing.assert_close(storage.next_values[t, world], expected[0])
    running = ~cut
    torch.testing.assert_close(storage.next_values[running], begun.view(12, 3)[running])


@pytest.mark.parametrize(
    "senses",
    [
        (STATE,),
        (MAP,),
        (MAP, STATE),
        (Modality("map", MAP.shape, 20, Custom(f"{__name__}:flattened", 7), dtype="uint8"),),
    ],
    ids=["vector", "image", "both", "custom"],
)
def test_it_learns_what_its_senses_tell(senses: tuple[Modality, ...]) -> None:
    rollout = rollout_on(Line(8, senses), steps=20)
    config = PPOConfig(num_steps=20, minibatch_size=80, epochs=8, learning_rate=1e-2, gamma=0.0, gae_lambda=0.0)
    ppo = PPO(rollout.policy, config, torch.Generator().manual_seed(0))
    rollout.collect()
    rollout.learn_statistics()
    explained = []
    for _ in range(12):
        rollout.collect()
        explained.append(ppo.update(rollout.storage)["explained_variance"])
        rollout.learn_statistics()
    # The reward of a step is that of its place and goal, up to the action, which nobody knows beforehand.
    assert max(explained[-3:]) > 0.5
    own = {name for name in dict(rollout.policy.named_parameters()) if name.startswith("critic_perception")}
    assert bool(own) == (senses != (STATE,))


def test_acting_needs_none_of_them() -> None:
    policy = rollout_on(Line()).policy
    step = policy.step({"distance": torch.zeros(3, 1)}, None)
    assert step.action.shape == (3,)
    assert step.value is None
    with pytest.raises(ValueError, match="'map' needs shape"):
        policy.value({"distance": torch.zeros(3, 1)})


def test_one_that_the_infos_lack_is_named() -> None:
    envs = Line(critic=(MAP, Modality("sound", (2,), 20, Unencoded())))
    with pytest.raises(
        ValueError, match="the info has no 'sound', which these worlds declare as a sense of the critic"
    ):
        rollout_on(envs)


def test_readings_that_are_not_finite_are_named() -> None:
    rollout = rollout_on(Line())
    rollout.storage.observations["privileged"][-1] = torch.nan
    with pytest.raises(ValueError, match="observation 'privileged' has 6 values that are not finite"):
        rollout.collect()


def test_whole_games_keep_them_too() -> None:
    envs = Line()
    policy = rollout_on(envs).policy
    games = Games(envs, policy, EpisodeStatistics(), torch.Generator().manual_seed(0))
    games.start(seed=1)
    games.play(6)
    (_, samples), *rest = games.samples(1000)
    assert not rest
    assert samples.observations["map"].dtype == torch.uint8
    place, goal = samples.observations["privileged"].long().unbind(-1)
    assert torch.equal(samples.observations["map"].flatten(1).long().argmax(dim=-1), PLACES * place + goal)
    assert policy.value(samples.observations).shape == (6 * LIMIT,)


def test_any_of_them_can_be_read_off() -> None:
    rollout = rollout_on(Line(), objectives={"state": StateReadOut(0.5, sense="map")})
    rollout.collect()
    ppo = PPO(rollout.policy, PPOConfig(num_steps=12, minibatch_size=36, epochs=1), torch.Generator().manual_seed(0))
    assert np.isfinite(ppo.update(rollout.storage)["state_loss"])


def test_without_privileges_the_critic_reads_what_the_actor_does() -> None:
    envs = Line()
    settings = {"policy": {"privileged_critic": False}, "objectives": {"state": None}}
    made = build_network(TrainConfig("toys:line", recipe="none", **settings), envs)
    assert not made.critic_modalities
    with pytest.raises(ValueError, match="the critic here has none; state=null leaves the objective out"):
        build_network(TrainConfig("toys:line", recipe="none", **{**settings, "objectives": {"state.weight": 1}}), envs)
