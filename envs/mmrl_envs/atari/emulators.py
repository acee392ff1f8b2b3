"""N emulators of ale-py behind Gymnasium's vector interface, whatever is made of their frames.

Letters: N = worlds, n = a subset.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mmrl.arrays import Observation
from mmrl.modality import Modality
from mmrl_envs.arguments import (
    available_cores,
    checked_mask,
    checked_num_envs,
    checked_options,
    checked_seed,
    number,
    number_array,
    whole,
)
from mmrl_envs.atari.console import FRAMES_PER_SECOND, SCREEN, WAIT_FOR_FIRE, choose_actions, emulators_of, label_of
from mmrl_envs.multimodal import GroupedWorlds, SingleWorld, StepResult

SENSE = "image"
MAX_FRAMES = 108_000
BYTES_OF_A_GAME = 500_000
"""Memory that an emulator takes, about."""

_FEW = 4
_PICTURE = {"grayscale": False, "img_height": SCREEN[0], "img_width": SCREEN[1], "stack_num": 1}
_NO_FIRE = "fire_reset presses FIRE when a game begins, but this game has no such action"


class EmulatorWorlds(GroupedWorlds):
    """N games side by side on native threads.

    Actions are (N,) integers, the observation {"image": uint8 (N, H, W, C)}. Rewards are the game's own points, or
    their signs. `info` has `lives` (N,) and, with autoreset, `final_obs` as in Gymnasium's SAME_STEP mode. There is no
    `final_info`: of a game that ended ale-py tells the lives of the next one.

    World i of seed s plays the same game whatever N is. From 8 worlds on they come in two groups.

    Where a game waits for FIRE to begin (`WAIT_FOR_FIRE`) a reset presses it; `fire_reset` says otherwise. After a lost
    life it is up to the policy.

    `render()` shows a second set of emulators that is sent the same actions, since the first ones draw in grey and in
    another size.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # Gymnasium leaves it an instance variable
        "render_modes": ["rgb_array"],
        "render_fps": FRAMES_PER_SECOND // 4,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(  # noqa: PLR0913 - Gymnasium hands over keyword arguments one by one
        self,
        game: str,
        num_envs: int,
        modality: Modality,
        screen: Mapping[str, Any],
        *,
        actions: Sequence[str] = (),
        frame_skip: int = 4,
        sticky: float = 0.0,
        noop_max: int = 30,
        clip_rewards: bool = True,
        max_frames: int = MAX_FRAMES,
        fire_reset: bool | None = None,
        render_mode: str | None = None,
        num_threads: int = 0,
        autoreset: bool = True,
    ) -> None:
        num_envs = checked_num_envs(num_envs, BYTES_OF_A_GAME)
        sticky = number("sticky", sticky, 0.0, 1.0)
        _require(sticky < 1, "sticky is a probability in [0, 1)", sticky)
        _require(render_mode in (None, "rgb_array"), "render_mode must be None or 'rgb_array'", render_mode)
        self.num_envs, self.render_mode = num_envs, render_mode
        self._process = os.getpid()
        mode = AutoresetMode.SAME_STEP if autoreset else AutoresetMode.NEXT_STEP
        # A world that nobody restarts: the emulator has no such mode, but one that waits for the next step will do.
        declared = AutoresetMode.SAME_STEP if autoreset else AutoresetMode.DISABLED
        rate = round(modality.rate_hz)
        self.metadata = {**self.metadata, "autoreset_mode": declared, "render_fps": rate}  # type: ignore[misc]
        self._settings: dict[str, Any] = {
            "game": game,
            "frame_skip": whole("frame_skip", frame_skip, 1),
            "sticky": sticky,
            "noop_max": whole("noop_max", noop_max, 0),
            "clip_rewards": clip_rewards,
            "max_frames": whole("max_frames", max_frames, 1),
            "fire_reset": game in WAIT_FOR_FIRE if fire_reset is None else fire_reset,
        }
        emulators = partial(
            emulators_of(game),
            autoreset_mode=mode,
            frameskip=self._settings["frame_skip"],
            repeat_action_probability=sticky,
            noop_max=self._settings["noop_max"],
            reward_clipping=self._settings["clip_rewards"],
            max_num_frames_per_episode=self._settings["max_frames"],
            num_threads=whole("num_threads", num_threads, 0) or available_cores(),
            use_fire_reset=self._settings["fire_reset"],
        )
        self.groups = _groups(num_envs)
        self._emulators = [emulators(worlds.stop - worlds.start, **screen) for worlds in self.groups]
        maxpool = screen.get("maxpool", True)
        self._spectator = emulators(num_envs, **_PICTURE, maxpool=maxpool) if render_mode else None
        self._picture: NDArray[np.uint8] | None = None
        self._images = np.zeros((num_envs, *modality.shape), np.uint8)
        self._random = np.random.default_rng().spawn(num_envs)
        offered = self._emulators[0].ale.get_action_set()
        _require(not fire_reset or "FIRE" in {action.name for action in offered}, _NO_FIRE, game)
        self.actions = choose_actions(actions, offered)
        self.action_labels = tuple(label_of(game, action.name) for action in self.actions)
        """The effects of the actions in this game, for people to read."""
        self._codes = np.array([action.code for action in self.actions], np.int64)
        self.modalities = {modality.name: modality}
        self.single_observation_space = spaces.Dict({modality.name: modality.space})
        self.single_action_space = spaces.Discrete(len(self.actions))
        self.observation_space = gym.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the console, defaults resolved."""
        return dict(self._settings)

    @property
    def different_games(self) -> int | None:
        """How many games a policy that draws nothing can play at most: one for every number of frames without action.

        None with sticky actions, which the console draws.
        """
        return None if self._settings["sticky"] else self._settings["noop_max"] + 1

    @abstractmethod
    def _begin(self, frames: NDArray[np.uint8], worlds: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Images (n, H, W, C) of worlds (n,) whose game begins with frames (n, stack, h, w)."""

    @abstractmethod
    def _follow(self, frames: NDArray[np.uint8], worlds: slice) -> NDArray[np.uint8]:
        """Images (n, H, W, C) after a step of a group's worlds that led to frames (n, stack, h, w)."""

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts games; `options={"reset_mask": (N,) bool}` those of some worlds only.

        Raises ValueError for a seed that is no integer of 0 or more, another option, and a mask of another shape.
        """
        self._require_threads()
        seed = checked_seed(seed)
        given = checked_options(options, {"reset_mask": np.ones(self.num_envs)})
        mask = checked_mask(given["reset_mask"], self.num_envs)
        worlds = np.flatnonzero(mask)
        if seed is not None:
            worlds_of_all = range(self.first_world, self.first_world + self.num_envs)
            self._random = [np.random.default_rng([seed, world]) for world in worlds_of_all]
        seeds = np.zeros(self.num_envs, np.int64)
        seeds[worlds] = [self._random[world].integers(2**31 - 1) for world in worlds]
        lives = np.zeros(self.num_envs, np.int32)
        for emulator, group in zip(self._emulators, self.groups, strict=True):
            frames, info = _restart(emulator, seeds[group], mask[group])
            lives[group] = info["lives"]
            begun = np.flatnonzero(mask[group])
            self._images[group][begun] = self._begin(frames[begun], group.start + begun)
        if self._spectator is not None:
            self._picture = _restart(self._spectator, seeds, mask)[0][:, 0]
        return {SENSE: self._images.copy()}, {"lives": lives}

    def step(self, actions: NDArray[Any]) -> StepResult:
        """Holds an action of every world for `frame_skip` frames."""
        self._require_threads()
        codes = self._codes[self._checked(actions, self.num_envs)]
        for emulator, worlds in zip(self._emulators, self.groups, strict=True):
            emulator.send(codes[worlds])
        if self._spectator is not None:
            self._picture = self._spectator.step(codes)[0][:, 0]
        parts = [self.receive(group) for group in range(len(self.groups))]
        if len(parts) == 1:
            return parts[0]
        observations, rewards, terminated, truncated, infos = zip(*parts, strict=True)
        return (
            {SENSE: np.concatenate([observation[SENSE] for observation in observations])},
            np.concatenate(rewards),
            np.concatenate(terminated),
            np.concatenate(truncated),
            self._joined(infos),
        )

    def send(self, actions: NDArray[Any], group: int = 0) -> None:
        """Begins to hold an action (n,) of every world of a group for `frame_skip` frames."""
        self._require_threads()
        if self._spectator is not None:
            raise ValueError("worlds that are rendered step all at once: use step, or no render_mode")
        worlds = self.groups[group]
        self._emulators[group].send(self._codes[self._checked(actions, worlds.stop - worlds.start)])

    def receive(self, group: int = 0) -> StepResult:
        """The results of the step that was begun."""
        worlds = self.groups[group]
        frames, reward, terminated, truncated, info = self._emulators[group].recv()
        reported: dict[str, Any] = {"lives": info["lives"]}
        if "final_obs" not in info:
            images = self._follow(frames, worlds)
        else:
            done = terminated | truncated
            last = self._follow(np.where(done[:, None, None, None], info["final_obs"], frames), worlds)
            reported["final_obs"] = np.full(len(done), None, object)
            for row in np.flatnonzero(done):
                reported["final_obs"][row] = {SENSE: last[row]}
            reported["_final_obs"] = done
            images = last.copy()
            images[done] = self._begin(frames[done], worlds.start + np.flatnonzero(done))
        self._images[worlds] = images
        return {SENSE: images}, reward.astype(np.float64), terminated, truncated, reported

    def _joined(self, infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The infos of all groups as one; without final observations unless a group has some."""
        joint: dict[str, Any] = {"lives": np.concatenate([info["lives"] for info in infos])}
        if any("final_obs" in info for info in infos):
            joint["final_obs"] = np.full(self.num_envs, None, object)
            joint["_final_obs"] = np.zeros(self.num_envs, np.bool_)
            for worlds, info in zip(self.groups, infos, strict=True):
                for name in info.keys() & {"final_obs", "_final_obs"}:
                    joint[name][worlds] = info[name]
        return joint

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Frames (210, 160, 3) of all worlds in mode "rgb_array"; of a world that just restarted, its new game."""
        return None if self._picture is None else tuple(self._picture)

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the emulators and their threads."""
        self._emulators, self._spectator = [], None

    def _require_threads(self) -> None:
        """In a forked child nobody would answer: the emulators' threads stayed in the parent."""
        if os.getpid() != self._process:
            raise RuntimeError(
                f"these games run in threads of process {self._process}, of which this one was forked: "
                "make the environment in the process that plays"
            )

    def _checked(self, actions: NDArray[Any], count: int) -> NDArray[np.intp]:
        chosen = number_array("actions", actions)
        if chosen.shape != (count,) or not np.issubdtype(chosen.dtype, np.integer):
            raise ValueError(f"actions need shape ({count},) and integers, got {chosen.shape} {chosen.dtype}")
        # An action that the emulator does not know would leave its threads waiting for ever.
        if chosen.min() < 0 or chosen.max() >= len(self.actions):
            raise ValueError(f"actions must lie in 0..{len(self.actions) - 1}, got {chosen.min()}..{chosen.max()}")
        return chosen.astype(np.intp)


class Game(SingleWorld):
    """One game behind Gymnasium's single-environment interface."""

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # Gymnasium leaves it an instance variable
        "render_modes": EmulatorWorlds.metadata["render_modes"],
        "render_fps": EmulatorWorlds.metadata["render_fps"],
    }

    def __init__(self, vector: EmulatorWorlds) -> None:
        super().__init__(vector)
        self.action_labels = vector.action_labels


def _groups(num_envs: int) -> tuple[slice, ...]:
    """Two halves, where half the worlds still keep the cores and a network busy."""
    if num_envs < 2 * _FEW:
        return (slice(0, num_envs),)
    half = num_envs // 2
    return slice(0, half), slice(half, num_envs)


def _restart(emulator: Any, seeds: NDArray[np.int64], mask: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], Any]:
    """Frames (n, stack, h, w) and info of emulators of which those in the mask (n,) begin anew."""
    partly = None if mask.all() else {"reset_mask": mask}
    result: tuple[NDArray[np.uint8], Any] = emulator.reset(seed=seeds[mask], options=partly)
    return result


def _require(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{rule}, got {value!r}")
