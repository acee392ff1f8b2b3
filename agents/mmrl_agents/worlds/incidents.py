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
    "clipped_readings": "readings beyond their declared bounds, which were clipped",
}
"""Names of the counts, and what people read."""


def incidents_of(envs: VectorEnv[Any, Any, Any]) -> dict[str, int]:
    """Counts since the worlds were made; only of what can happen to worlds of that kind."""
    worlds = envs.unwrapped
    if isinstance(worlds, RobotVectorEnv):
        clipped = sum(clipped_readings(worlds).values())
        return {"renderer_failures": worlds.renderer_failures, "clipped_readings": clipped}
    return {"workers_lost": worlds.lost} if isinstance(worlds, WorkerWorlds) else {}


def clipped_readings(envs: VectorEnv[Any, Any, Any]) -> dict[str, int]:
    """Readings by sense that were beyond its declared bounds, of senses that had any; {} for worlds of others."""
    worlds = envs.unwrapped
    if not isinstance(worlds, RobotVectorEnv):
        return {}
    return {name: count for name, count in worlds.clipped_readings.items() if count}


def about_clipped(counts: Mapping[str, int]) -> str:
    """ "readings beyond their declared bounds were clipped: 3 of touch", or "" where none was."""
    told = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
    return f"readings beyond their declared bounds were clipped: {told}" if told else ""


def survived(metrics: Mapping[str, float]) -> str:
    """ "survived: 2 failures of OpenGL", or "" where nothing happened."""
    told = [f"{metrics[name]:.0f} {what}" for name, what in KINDS.items() if metrics.get(name)]
    return f"survived: {', '.join(told)}" if told else ""
