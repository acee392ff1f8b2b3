"""Whole games, played under one policy and kept in little memory.

B is a number of steps, A the shape of an action. The worlds follow Gymnasium's SAME_STEP autoreset: the observation of
a done world is already that of its next game.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mmrl.arrays import Envs, Indices
from mmrl.evaluation.episodes import LONGEST_EPISODE
from mmrl.evaluation.figures import figures_of
from mmrl.modality.foreign import flatten_observation
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.experience.episodes import Ended, EpisodeCounter, context_from, episode_from, was_lost
from mmrl_agents.experience.packing import Packing
from mmrl_agents.experience.readings import readings_of
from mmrl_agents.experience.sense_dropout import SenseDropout
from mmrl_agents.experience.stepping import stepping
from mmrl_agents.machine.cpu import one_thread


class GameStep(NamedTuple):
    """One decision of a game."""

    readings: dict[str, NDArray[Any]]
    """The readings of every sense, packed, those of the critic among them."""
    present: NDArray[np.bool_] | None
    """Which senses are there, if any are dropped."""
    action: NDArray[Any]
    """The action that was drawn, (*A)."""
    reward: float
    """The reward for it."""


PlayedGame = list[GameStep]


class Samples(NamedTuple):
    """Steps as a policy reads them, tensors (B, ...)."""

    observations: dict[str, Tensor]
    actions: Tensor
    present: dict[str, Tensor] | None

    def first(self, count: int) -> "Samples":
        """The first of them."""
        masks = None if self.present is None else {name: mask[:count] for name, mask in self.present.items()}
        return Samples({name: rows[:count] for name, rows in self.observations.items()}, self.actions[:count], masks)


class Games:
    """Plays a number of games with a policy and holds them until the next.

    A truncated episode counts as a finished game; one that goes on after `longest` steps is refused.
    """

    def __init__(
        self,
        envs: Envs,
        policy: ActorCritic,
        statistics: EpisodeCounter,
        generator: torch.Generator,
        dropout: SenseDropout | None = None,
        longest: int = LONGEST_EPISODE,
    ) -> None:
        """`generator` (on the device of the policy) draws the actions and nothing else."""
        self.longest = longest
        self.envs, self.policy, self.statistics, self.generator = envs, policy, statistics, generator
        self.dropout = dropout
        self.finished: list[PlayedGame] = []
        self._device = next(policy.parameters()).device
        senses: Mapping[str, Any] = flatten_observation(envs.single_observation_space)
        of_critic = {name: sense.space for name, sense in policy.critic_modalities.items()}
        self._packings = {name: Packing(space) for name, space in {**of_critic, **senses}.items()}
        self._stepping, self._figures = stepping(envs), figures_of(envs)
        self._played: list[list[PlayedGame]] = []  # by world; the last is under way
        self._left = np.zeros(envs.num_envs, np.int64)  # games of each world that are not finished
        self._first: tuple[Any, dict[str, Any]] | None = None
        self._options: dict[str, Any] | None = None
        self._contexts: list[dict[str, Any]] = []  # of the games that the last play left unfinished
        self._row = 0  # steps since the last play began
        self.ended: list[Ended] = []
        """Games that ended, or were given up, since the last play began."""

    def __len__(self) -> int:
        """The number of steps of all games."""
        return sum(map(len, self.finished))

    @property
    def rewards(self) -> Tensor:
        """Rewards of all steps, game after game, float64."""
        return torch.tensor([step.reward for game in self.finished for step in game], dtype=torch.float64)

    @property
    def lengths(self) -> Tensor:
        """Number of steps of each game."""
        return torch.tensor([len(game) for game in self.finished])

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds; `options` come with every later reset too. ValueError if they begin games in the middle."""
        if np.any((options or {}).get("elapsed_steps", 0)):
            raise ValueError("games are played from their beginning, but options['elapsed_steps'] is not 0")
        self._options = options
        self._first = self.envs.reset(seed=seed, options=options)
        if self.dropout is not None:
            self.dropout.restart(seed)

    def play(self, count: int) -> None:
        """Play `count` new games, the same number in every world; ValueError if that does not come out even.

        Were the games that end first taken instead, short ones would be favoured. A world that has played its share
        waits for the others of its group: it is stepped on with action 0, neither seen by the policy nor counted.
        """
        worlds = self.envs.num_envs
        if count % worlds:
            raise ValueError(f"every world plays the same number of games, which {count} in {worlds} worlds cannot be")
        self.finished = []  # before the new ones take memory
        self._played = [[[]] for _ in range(worlds)]
        self._left[:], self._row = count // worlds, 0
        self.ended = [Ended(world, context, None) for world, context in enumerate(self._contexts)]
        observation, info = self._first or self.envs.reset(options=self._options)
        self._first = None
        self._contexts = [{} for _ in range(worlds)]
        self._drop(np.arange(worlds))
        with one_thread():
            self._step_all(self._read(observation, info))
        self.finished = [game for games in self._played for game in games if game]

    def _read(self, observation: Any, info: Mapping[str, Any]) -> dict[str, Any]:
        return readings_of(observation, info, self.policy.critic_modalities)

    def _step_all(self, readings: Mapping[str, Any]) -> None:
        """From what is seen first to the end of the last game: a group is decided for while others are under way."""
        groups = self._stepping.groups
        under_way = dict[int, list[GameStep]]()
        for group, worlds in enumerate(groups):
            under_way[group] = self._send(group, {name: rows[worlds] for name, rows in readings.items()})
        while under_way:
            self._row += 1
            for group in tuple(under_way):
                observation, reward, terminated, truncated, info = self._stepping.receive(group)
                self._record(groups[group], under_way.pop(group), reward, terminated | truncated, info)
                if self._left[groups[group]].any():
                    under_way[group] = self._send(group, self._read(observation, info))
                else:
                    self._contexts[groups[group]] = [context_from(info, row) for row in range(len(reward))]

    def _send(self, group: int, readings: Mapping[str, Any]) -> list[GameStep]:
        """Begin a step of a group's worlds; returns what was decided for those that are playing."""
        worlds = self._stepping.groups[group]
        playing = np.flatnonzero(self._left[worlds])
        steps = self._decide(readings, playing, worlds.start)
        self._stepping.send(self._joint([step.action for step in steps], playing, worlds.stop - worlds.start), group)
        return steps

    def _record(
        self,
        worlds: slice,
        steps: Sequence[GameStep],
        reward: NDArray[np.float64],
        over: NDArray[np.bool_],
        info: Mapping[str, Any],
    ) -> None:
        """The results of a step of a group: `steps` of those of its worlds that were playing, in their order."""
        plays = self._left[worlds] > 0
        for row, step in zip(np.flatnonzero(plays).tolist(), steps, strict=True):
            world = worlds.start + row
            game = self._played[world][-1]
            game.append(step._replace(reward=_finite(reward[row], world)))
            if not over[row]:
                _require_an_end(game, world, self.longest)
                continue
            if was_lost(info.get("final_info", {}), row):  # its process died: another is played in its place
                self._pass_over(worlds.start, np.array([row]), info)
                self._played[world][-1] = []
            else:
                self._count(game, world, row, info)
                self._played[world].append([])
                self._left[world] -= 1
        if over.any():
            self._drop(worlds.start + np.flatnonzero(over & plays))
            self._pass_over(worlds.start, np.flatnonzero(over & ~plays), info)

    def samples(self, size: int, order: Sequence[int] | None = None) -> Iterator[tuple[slice, Samples]]:
        """All steps as played, or in another order, at most `size` at once, each time with their place in it."""
        steps = [step for game in self.finished for step in game]
        if order is not None:
            steps = [steps[place] for place in order]
        for start in range(0, len(steps), size):
            part = steps[start : start + size]
            observations = {
                name: packing.unpack([step.readings[name] for step in part]).to(self._device)
                for name, packing in self._packings.items()
            }
            actions = torch.from_numpy(np.array([step.action for step in part])).to(self._device)
            present = self._masks([step.present for step in part])
            yield slice(start, start + len(part)), Samples(observations, actions, present)

    def _decide(self, seen: Mapping[str, Any], playing: NDArray[np.int64], first: int) -> list[GameStep]:
        """The steps of those rows of a group that are playing, the rewards still to come.

        Row 0 is world `first`.
        """
        readings = {name: seen[name][playing].astype(packing.dtype) for name, packing in self._packings.items()}
        for name, rows in readings.items():
            if rows.dtype == np.float32 and not np.isfinite(rows).all():
                raise ValueError(f"observation {name!r} has values that are not finite")
        present = [None] * len(playing) if self.dropout is None else list(self.dropout.present[first + playing])
        action, _ = self.policy.act(
            {name: torch.from_numpy(rows).to(self._device) for name, rows in readings.items()},
            present=self._masks(present),
            generator=self.generator,
        )
        packed = {name: packing.pack(readings[name]) for name, packing in self._packings.items()}
        return [
            GameStep({name: rows[row] for name, rows in packed.items()}, present[row], drawn, 0.0)
            for row, drawn in enumerate(action.cpu().numpy())
        ]

    def _drop(self, worlds: Indices) -> None:
        """Games begin in these worlds."""
        if self.dropout is not None and worlds.size:
            self.dropout.begin(worlds)

    def _masks(self, present: Sequence[NDArray[np.bool_] | None]) -> dict[str, Tensor] | None:
        """Which senses are there in every step, as a policy takes it."""
        if self.dropout is None:
            return None
        rows = torch.from_numpy(np.array(present, np.bool_)).to(self._device)  # (B, S)
        return dict(zip(self.dropout.senses, rows.unbind(dim=1), strict=True))

    def _joint(self, actions: list[NDArray[Any]], playing: NDArray[np.int64], worlds: int) -> NDArray[Any]:
        """Actions of all worlds of a group, as far as their space admits them; 0 where none is playing."""
        space = self.envs.single_action_space
        joint = np.zeros((worlds, *(space.shape or ())), space.dtype)
        joint[playing] = actions
        if not np.isfinite(joint).all():
            raise ValueError("the policy gives actions that are not finite, its weights are lost")
        return np.clip(joint, space.low, space.high) if isinstance(space, spaces.Box) else joint

    def _count(self, game: PlayedGame, world: int, row: int, info: Mapping[str, Any]) -> None:
        final, total = info.get("final_info", {}), sum(step.reward for step in game)
        episode = episode_from(final, row, total, len(game), self._figures)
        self.statistics.add(episode, self._row)
        self.ended.append(Ended(world, context_from(final, row), episode, self._row))

    def _pass_over(self, first: int, rows: NDArray[np.intp], info: Mapping[str, Any]) -> None:
        """Note the games that ended in worlds that only wait."""
        final = info.get("final_info", {})
        self.ended += [Ended(first + row, context_from(final, row), None, self._row) for row in rows.tolist()]

    def state_dict(self) -> dict[str, Any]:
        """The state between two plays: worlds that stand in games nobody will finish."""
        return {
            "contexts": [dict(context) for context in self._contexts],
            "dropout": None if self.dropout is None else self.dropout.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """Undo `state_dict`, in place of `start`; `options` come with every later reset."""
        self._contexts = [dict(context) for context in state["contexts"]]
        self._options, self._first = options, None
        if self.dropout is not None:
            self.dropout.load_state_dict(state.get("dropout"))  # older checkpoints say nothing of it


def _require_an_end(game: PlayedGame, world: int, longest: int) -> None:
    if len(game) >= longest:
        raise ValueError(
            f"the game of world {world} still goes on after {len(game):,} steps, and only whole games are learned "
            "from: give the environment a limit, such as --set max_episode_steps=1000, raise --episode-limit, or take "
            "another agent"
        )


def _finite(reward: float, world: int) -> float:
    if not np.isfinite(reward):
        raise ValueError(f"the reward of world {world} is {reward}, not a finite number")
    return float(reward)
