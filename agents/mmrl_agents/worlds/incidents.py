"""Counts of what went wrong with the worlds of a training that goes on all the same."""

from collections.abc import Mapping

from mmrl.arrays import Envs
from mmrl_envs.multimodal import describing

KINDS: Mapping[str, str] = {
    "physics_errors": "episodes ended by physics that went wrong",
    "renderer_failures": "failures of OpenGL",
    "workers_lost": "worker processes lost",
    "clipped_readings": "readings beyond their declared bounds, which were clipped",
}
"""Names of the counts, and what people read."""


def clipped_readings(envs: Envs) -> dict[str, int]:
    """Readings beyond the declared bounds by sense, of senses that had any."""
    return {name: count for name, count in describing(envs).clipped_readings.items() if count}


def about_clipped(counts: Mapping[str, int]) -> str:
    """ "readings beyond their declared bounds were clipped: 3 of touch", or "" where none was."""
    counted = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
    return f"readings beyond their declared bounds were clipped: {counted}" if counted else ""


def survived(metrics: Mapping[str, float]) -> str:
    """ "survived: 2 failures of OpenGL", or "" where nothing happened."""
    counted = [f"{metrics[name]:.0f} {what}" for name, what in KINDS.items() if metrics.get(name)]
    return f"survived: {', '.join(counted)}" if counted else ""
