"""Rigid shapes that are pressed on a pad: signed distances, negative inside, and directions out of them.

Frame: that of the pad, its origin in the middle of the undeformed surface, z out of it. A shape touches at its origin.

Letters: p = points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mmrl.arrays import FloatArray

_SAME = 1e-12
"""Distance in metres that is none."""


class Indenter(ABC):
    """A shape whose lowest point is the origin."""

    @abstractmethod
    def distance(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Signed distances of points (p, 3) in metres, (p,), and unit vectors out of the shape, (p, 3)."""


@dataclass(frozen=True)
class PressedBall(Indenter):
    """A sphere."""

    radius: float
    """In metres."""

    def distance(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        away = points - (0.0, 0.0, self.radius)
        far = np.linalg.norm(away, axis=1)
        return far - self.radius, away / np.maximum(far, _SAME)[:, None]


@dataclass(frozen=True)
class PressedEdge(Indenter):
    """A right-angled edge along y, its ends square: a cube that lies on one of its edges."""

    length: float
    """Of the edge, metres."""

    def distance(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        slope = np.sqrt(0.5)
        normal = np.array([[slope, 0, -slope], [-slope, 0, -slope], [0, 1, 0], [0, -1, 0]])
        beyond = points @ normal.T - (0.0, 0.0, self.length / 2, self.length / 2)
        distance = beyond.max(axis=1)
        out = (beyond > distance[:, None] - _SAME) @ normal  # where two faces are as near, between both
        return distance, out / np.maximum(np.linalg.norm(out, axis=1), _SAME)[:, None]


@dataclass(frozen=True)
class PressedTorus(Indenter):
    """A ring that lies flat."""

    ring: float
    """Radius of the circle in its tube, metres."""
    tube: float
    """Radius of the tube, metres."""

    def distance(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        aside = np.linalg.norm(points[:, :2], axis=1)[:, None]
        outward = np.where(aside > _SAME, points[:, :2] / np.maximum(aside, _SAME), (1.0, 0.0))
        away = points - np.concatenate([outward * self.ring, np.full((len(points), 1), self.tube)], axis=1)
        far = np.linalg.norm(away, axis=1)
        return far - self.tube, away / np.maximum(far, _SAME)[:, None]


INDENTERS: Mapping[str, Indenter] = MappingProxyType(
    {"sphere": PressedBall(0.008), "edge": PressedEdge(0.014), "torus": PressedTorus(0.006, 0.002)}
)
"""The shapes of the stored maps, by name."""
