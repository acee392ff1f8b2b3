"""A policy seen live, `mmrl watch RUN --live`: the scene in a window while it acts, and while it is trained."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from rich.console import Console

from mmrl.settings.effects import require_effect
from mmrl_agents.machine.device import choose_device
from mmrl_agents.policies.trained import TrainedPolicy, load_policy, load_weights, read_stored
from mmrl_agents.records.run_status import RUNNING, read_status
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.watching.viewing.config import OF_A_FILM, WatchConfig
from mmrl_agents.watching.viewing.moments import Moment, WatchedWorld
from mmrl_agents.worlds.spec import WorldSpec
from mmrl_envs.seeing.window import WindowClosed

HUMAN = "human"
"""The render mode of a window."""


def show_live(config: WatchConfig, console: Console | None = None) -> int:
    """Show episodes in a window until it is closed, or as many as were asked for; returns how many came to their end.

    Raises as `load_policy`, ValueError for an environment without a window, gymnasium's Error without a display.
    """
    console = console or terminal()
    require_effect(config, OF_A_FILM, WatchConfig())
    newest = _NewestWeights(config)
    worlds = newest.trained.worlds
    _require_window(worlds)
    with closing(worlds.make_single(render_mode=HUMAN)) as env:
        world = WatchedWorld(env, newest.trained, config)
        try:
            return _episodes(world, newest, console)
        except WindowClosed:
            say(console, "the window was closed")
            return 0


def _require_window(worlds: WorldSpec) -> None:
    with closing(worlds.make_single()) as env:
        if HUMAN not in env.metadata.get("render_modes", ()):
            raise ValueError(f"{worlds.env} has no window of its own: mmrl watch without --live makes a film")


def _episodes(world: WatchedWorld, newest: _NewestWeights, console: Console) -> int:
    episode, most = 0, world.config.episodes
    while most is None or episode < most:
        step, pace = newest.renew(), _Pace(world.config.fps or world.control_hz)
        episode += 1
        for now in world.play(episode - 1):
            world.env.render()
            pace.wait()
            if now.action is None:
                say(console, f"episode {episode}, weights of step {step:,}: {_outcome(now)}")
    return episode


def _outcome(now: Moment) -> str:
    success = {None: "", True: ", success", False: ", no success"}[now.success]
    return f"{now.step} steps, return {now.total:.4g}{success}"


class _Pace:
    """Lets so many instants a second go by, and makes up for none that came late."""

    def __init__(self, hz: float) -> None:
        self._period_s = 1 / hz
        self._due_s = time.monotonic()

    def wait(self) -> None:
        """Until the next instant is due."""
        self._due_s = max(self._due_s + self._period_s, time.monotonic())
        time.sleep(max(0.0, self._due_s - time.monotonic()))


class _NewestWeights:
    """A policy, and the weights that a training of it writes meanwhile.

    Args:
        config: which policy; without a checkpoint the last of a run that is being trained, the best of another.
    """

    def __init__(self, config: WatchConfig) -> None:
        self._run = config.run
        self._checkpoint = config.checkpoint or ("last" if _is_being_trained(Path(config.run)) else "best")
        self.trained: TrainedPolicy = load_policy(
            config.run, choose_device(config.device), self._checkpoint, config.trust
        )
        self._step: int | None = None

    def renew(self) -> int:
        """Take the newest weights; returns the environment steps that they were trained for."""
        stored = read_stored(self._run, self._checkpoint)
        if stored.step != self._step:
            load_weights(self.trained.policy, stored.weights, stored.path)
            self._step = stored.step
        return stored.step


def _is_being_trained(folder: Path) -> bool:
    """Whether a process that trains the run of a folder is alive, here or on another machine."""
    try:
        return read_status(RunFolder.open(folder).status_path).present_state().startswith(RUNNING)
    except (OSError, ValueError):  # no run folder, or one that never said
        return False
