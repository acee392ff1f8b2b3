"""What went wrong with the worlds of a training that goes on all the same, counted."""

from collections.abc import Mapping
from typing import Any

from gymnasium.vector import VectorEnv

from mmrl_agents.worlds.workers import WorkerWorlds
from mmrl_envs.vector_env import RobotVectorEnv

KINDS: Mapping[str, str] = {
    "physics_errors": "episodes ended by physics that went wrong",
    "renderer_failures": "failures of OpenGL",
    "workers_lost": "worker processes lost",
}
"""Names of the counts, and what people read."""


def incidents_of(envs: VectorEnv[Any, Any, Any]) -> dict[str, int]:
    """Counts since the worlds were made; only of what can happen to worlds of that kind."""
    worlds = envs.unwrapped
    if isinstance(worlds, RobotVectorEnv):
        return {"renderer_failures": worlds.renderer_failures}
    return {"workers_lost": worlds.lost} if isinstance(worlds, WorkerWorlds) else {}


def survived(metrics: Mapping[str, float]) -> str:
    """ "survived: 2 failures of OpenGL", or "" where nothing happened."""
    told = [f"{metrics[name]:.0f} {what}" for name, what in KINDS.items() if metrics.get(name)]
    return f"survived: {', '.join(told)}" if told else ""
