"""The taxels of a flat soft pad: how depth spreads over them, and how a force and a moment are shared among them.

Every taxel i at r_i has a share w_i of the force, by the depth of what stands over it: the normal force is F_n w_i, and
the shear w_i (F_t + m z x (r_i - c) / J), where c = sum w r is the centre of pressure, m the moment about the normal
through it and J = sum w |r - c|^2. So taxels add up to the force, and to the moment about the normal.

Frame: that of the pad, its origin in the middle of the surface, z out of it. Forces on the pad, but for the normal one,
which is positive where the pad is pressed. Row i of a map lies at v_i, column j at u_j, both ascending.

Letters: n = pads, k = taxels to a side, s = samples to a side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray
from mmrl_envs.sensors.tactile.glove import glove_mask

SAMPLES = 32
"""s, of pads of at most 32 taxels to a side, each of which has a whole number of them: a taxel feels its area."""
_NOTHING = 1e-12
"""Depth in metres, and mean square distance in square metres, below which there is none."""


@dataclass(frozen=True)
class Taxels:
    """A grid of k x k taxels on a pad."""

    size: tuple[float, float]
    """Of the pad along x and y, metres."""
    resolution: int
    """k."""
    blur_m: float
    """Standard deviation in metres of the Gaussian by which the soft surface spreads depth."""
    masked: bool = False
    """Whether taxels are those of the glove alone, which has 32 to a side."""

    @property
    def samples(self) -> int:
        """s, samples of depth to a side."""
        return self.resolution * max(1, SAMPLES // self.resolution)

    @cached_property
    def columns(self) -> FloatArray:
        """Places of the samples along x, (s,) metres."""
        return _middles(self.size[0], self.samples)

    @cached_property
    def rows(self) -> FloatArray:
        """Places of the samples along y, (s,) metres."""
        return _middles(self.size[1], self.samples)

    @cached_property
    def _x(self) -> FloatArray:
        return _middles(self.size[0], self.resolution)

    @cached_property
    def _y(self) -> FloatArray:
        return _middles(self.size[1], self.resolution)

    @cached_property
    def places(self) -> FloatArray:
        """Middles of the taxels, x and y in metres, (k, k, 2)."""
        return np.stack(np.meshgrid(self._x, self._y), axis=2)

    @cached_property
    def there(self) -> BoolArray:
        """Which of the taxels there are, (k, k)."""
        return glove_mask() if self.masked else np.ones((self.resolution, self.resolution), np.bool_)

    @cached_property
    def _spreading(self) -> tuple[FloatArray, FloatArray]:
        return tuple(_spreading(side, self.resolution, self.samples, self.blur_m) for side in self.size)  # type: ignore[return-value]  # of two

    def shares(self, depth: FloatArray) -> FloatArray:
        """Shares (n, k, k) of the taxels in a force, which add up to 1, by depths (n, s, s) of the samples in metres.

        Where no sample is deep, the whole force is that of the taxel at the one which is nearest to being so.
        """
        along_x, along_y = self._spreading
        deep = np.maximum(depth, 0.0, dtype=along_x.dtype)
        # pad by pad: in one product over all of them the last digits would depend on how many there are
        felt = (along_y @ (deep @ along_x.T)).astype(np.float64)
        if self.masked:
            felt *= self.there
        total = felt.sum(axis=(1, 2), keepdims=True)
        nothing = total[:, 0, 0] <= _NOTHING
        if nothing.any():
            felt[nothing], total[nothing] = self._nearest(depth[nothing]), 1.0
        shares: FloatArray = felt / total
        return shares

    def _nearest(self, depth: FloatArray) -> FloatArray:
        """1 at the taxel of the deepest sample, or next to it, else 0, (n, k, k)."""
        s, k = depth.shape[1], self.resolution
        row, column = np.divmod(depth.reshape(len(depth), -1).argmax(axis=1), s)
        place = np.stack([self.columns[column], self.rows[row]], axis=1)
        away = np.linalg.norm(self.places - place[:, None, None], axis=3)
        nearest = np.where(self.there, away, np.inf).reshape(len(depth), -1).argmin(axis=1)
        one: FloatArray = (np.arange(k * k) == nearest[:, None]).reshape(-1, k, k).astype(np.float64)
        return one

    def share_out(self, shares: FloatArray, force: FloatArray, moment: FloatArray, out: FloatArray) -> None:
        """Gives every taxel its normal force and two shears, newtons.

        Args:
            shares: of the taxels, (n, k, k).
            force: normal force, and force along x and y, on the pads, (n, 3) newtons.
            moment: about the pads' normals through their middles, (n,) N m. A single taxel bears none but that of its
                force.
            out: (n, k, k, 3), which is written.
        """
        x, y = self._x, self._y
        by_column, by_row = shares.sum(axis=1), shares.sum(axis=2)  # (n, k) each
        # no matrix product, whose last digits depend on the number of pads
        (centre_x, square_x), (centre_y, square_y) = _moments(by_column, x), _moments(by_row, y)
        inertia = square_x - centre_x**2 + square_y - centre_y**2
        about_centre = moment - centre_x * force[:, 2] + centre_y * force[:, 1]
        turning = np.divide(about_centre, inertia, out=np.zeros_like(inertia), where=inertia > _NOTHING)[:, None]
        along_x = force[:, 1:2] - turning * (y - centre_y[:, None])  # (n, k) by row
        along_y = force[:, 2:] + turning * (x - centre_x[:, None])  # by column
        np.multiply(shares, force[:, 0, None, None], out=out[..., 0])
        np.multiply(shares, along_x[:, :, None], out=out[..., 1])
        np.multiply(shares, along_y[:, None, :], out=out[..., 2])


def _moments(shares: FloatArray, places: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The sums of shares (n, k) times their places (k,), and times the squares of these, (n,) each."""
    return np.einsum("nk,k->n", shares, places), np.einsum("nk,k->n", shares, places**2)


def _middles(side: float, number: int) -> FloatArray:
    """Middles of so many parts of a side about zero, metres, (number,)."""
    middles: FloatArray = ((np.arange(number) + 0.5) / number - 0.5) * side
    return middles


def _spreading(side: float, resolution: int, samples: int, blur: float) -> NDArray[np.float64]:
    """Parts of a sample that are spread over each taxel, (k, s): the Gaussian about it, integrated over the taxel."""
    from scipy.special import ndtr  # takes longer to import than all of mmrl_envs

    edges = (np.arange(resolution + 1) / resolution - 0.5) * side
    below = ndtr((edges[:, None] - _middles(side, samples)) / blur)
    spread: NDArray[np.float64] = np.diff(below, axis=0)
    return spread
