"""Episodes of a policy, instant by instant, for whoever shows them.

A is the shape of an action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.evaluation.episodes import LONGEST_EPISODE, SUCCESS_KEYS, blank
from mmrl.modality import Modality
from mmrl.modality.foreign import flatten_observation
from mmrl_agents.evaluation.evaluate import reset_options
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import TrainedPolicy
from mmrl_agents.watching.decisions import Decision, Introspection
from mmrl_agents.watching.panels import Pixels
from mmrl_agents.watching.pictures import is_image
from mmrl_agents.watching.viewing.config import WatchConfig
from mmrl_agents.worlds.infos import declared_figures
from mmrl_envs.atari.emulators import Game

ROBOT_EPISODES, GAME_EPISODES = 3, 1


@dataclass(frozen=True, eq=False)
class Moment:
    """One instant of an episode: what was sensed, and what was decided on it."""

    episode: int
    """Number of the episode, from 0."""
    step: int
    """Control steps since its reset."""
    observation: Mapping[str, NDArray[Any]]
    """Sense -> (1, *window_shape), zeros of those that are unplugged."""
    action: NDArray[Any] | None
    """(1, *A); None where the episode ends."""
    decision: Decision
    """The policy's reasons."""
    reward: float
    """Of the step that led here; 0 at the reset."""
    total: float
    """Sum of the rewards so far."""
    info: Mapping[str, Any]
    """As the environment gave it."""
    over: bool
    """Whether the episode has ended, and was not merely cut."""

    @property
    def success(self) -> bool | None:
        """Success as the environment reports it; None where it does not."""
        reported = [bool(self.info[key]) for key in SUCCESS_KEYS if key in self.info]
        return reported[-1] if reported else None


class WatchedWorld:
    """One world and the policy that acts in it.

    A single environment is used, because one that restarts itself can no longer show how an episode ended.

    Args:
        env: the world.
        trained: the policy.
        config: what to show; its senses that are unplugged are zeros.
    """

    def __init__(self, env: gym.Env[Any, Any], trained: TrainedPolicy, config: WatchConfig) -> None:
        self.env, self.trained, self.config = env, trained, config
        self.control_hz = float(env.metadata.get("render_fps") or 30)
        self.is_game = isinstance(env.unwrapped, Game)
        self.episodes = config.episodes or (GAME_EPISODES if self.is_game else ROBOT_EPISODES)
        self.actions, self.senses, self.figures = actions_of(env), declared_senses(env), declared_figures(env)
        self.images = {
            name: sense for name, sense in self.senses.items() if is_image(sense) and name not in config.without
        }
        self._options = reset_options(trained, config.context, env)
        self._policy = TorchPolicy(
            trained.policy,
            env.action_space,
            deterministic=config.deterministic,
            seed=config.seed,
        )
        salient = self.images if config.saliency else {}
        self._introspection = Introspection(trained, self._policy, env.action_space, salient)

    def play(self, episode: int) -> Iterator[Moment]:
        """The instants of an episode, that of the reset and the last one too; the world stands at the present one."""
        raw, info = self.env.reset(seed=self.config.seed if episode == 0 else None, options=self._options)
        self._policy.reset(np.zeros(1, np.int64))
        step, reward, total, over = 0, 0.0, 0.0, False
        while True:
            batch = {name: np.asarray(a)[None] for name, a in flatten_observation(raw).items()}
            observation, present = blank(batch, self.config.without)
            last = over or self._cut(step)
            action = None if last else self._policy.act(observation, present)
            decision = self._introspection.decision(observation, present, action)
            yield Moment(episode, step, observation, action, decision, reward, total, info, over)
            if action is None:
                return
            raw, gained, terminated, truncated, info = self.env.step(action[0])
            reward = float(gained)
            step, total, over = step + 1, total + reward, bool(terminated or truncated)

    def _cut(self, step: int) -> bool:
        limit = self.config.max_seconds
        return step >= (LONGEST_EPISODE if limit is None else limit * self.control_hz)


def declared_senses(env: gym.Env[Any, Any]) -> dict[str, Modality]:
    """The senses that an environment of ours declares, or those declared for a foreign one."""
    return dict(env.get_wrapper_attr("modalities"))


def actions_of(env: gym.Env[Any, Any]) -> tuple[str, ...]:
    """The names of discrete actions, numbers unless it is a game of ours; () for continuous ones."""
    if isinstance(env.unwrapped, Game):
        return env.unwrapped.action_labels
    return tuple(map(str, range(int(env.action_space.n)))) if isinstance(env.action_space, spaces.Discrete) else ()


def scene_of(env: gym.Env[Any, Any]) -> Pixels:
    """The scene as the environment renders it, (H, W, 3)."""
    pixels = env.render()
    if not isinstance(pixels, np.ndarray):
        raise ValueError(f"{env} gives no frame of pixels, but {type(pixels).__name__}")
    return pixels
