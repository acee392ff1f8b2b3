"""An elastic pad of particles, pressed by rigid shapes: maps to compare the tactile sense with.

    python -m mmrl_envs.sensors.tactile.mpm --picture docs/images/tactile_mpm.png

The moving least squares material point method (Hu et al. 2018), as Wang et al., "Elastic Tactile Simulation Towards
Tactile-Visual Perception" (ACM Multimedia 2021), use it for a tactile sensor; what they read is the displacement of
the surface. Particles carry velocity, its gradient and the deformation F; a grid of nodes takes their momentum by
quadratic B-splines, and gives velocities back. The material is neo-Hookean: t = mu (F F^T - I) + lambda log(det F) I,
the Kirchhoff stress. The back of the pad is glued. Nodes in the shape take on its velocity along the normal, and across
it as far as Coulomb's friction carries; the momentum that they lose is the force on the pad there.

With cells twice as large forces are down to a third of those of the stored maps, patterns to a correlation of 0.95 and
more: compare patterns.

Letters: p = particles, g = nodes of the grid, k = taxels to a side.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.sparse import csr_matrix

from mmrl.arrays import FloatArray
from mmrl_envs.sensors.tactile.indenters import INDENTERS, Indenter

MAPS = Path(__file__).with_name("maps.npz")
"""The stored maps: "sphere/pressed" and the like -> (16, 16, 5)."""
RESOLUTION = 16
"""k, of the stored maps."""
PRESSED_M, SHEARED_M = 1e-3, 0.5e-3
"""How deep the shapes are pressed, and how far they are then moved along x, metres."""
_MARGIN = 3  # cells around the pad
_SPEED = 0.4  # of the shapes, m/s: a fifteenth of that of shear waves
_REST_S, _AVERAGED_STEPS = 1.5e-3, 40


@dataclass(frozen=True)
class SoftPad:
    """A pad and how finely it is simulated."""

    side_m: float = 0.024
    """Of the square surface."""
    thickness_m: float = 0.004
    """Down to what it is glued on."""
    young_pa: float = 1e5
    """Young's modulus."""
    poisson: float = 0.45
    """Poisson's ratio."""
    density: float = 1000.0
    """In kg/m^3."""
    friction: float = 0.8
    """Coulomb's coefficient between pad and shape."""
    damping_per_s: float = 2000.0
    """Rate at which velocities decay, so that what is pressed comes to rest."""
    cell_m: float = 0.75e-3
    """Side of a cell of the grid; particles lie half of it apart."""

    @property
    def lame(self) -> tuple[float, float]:
        """Lame's constants mu and lambda in Pa."""
        mu = self.young_pa / (2 * (1 + self.poisson))
        return mu, 2 * mu * self.poisson / (1 - 2 * self.poisson)

    @property
    def step_s(self) -> float:
        """The time step: three tenths of the time in which pressure waves cross a cell."""
        mu, lam = self.lame
        return float(0.3 * self.cell_m / np.sqrt((lam + 2 * mu) / self.density))


class ElasticParticles:
    """The particles of a pad.

    Args:
        pad: what is simulated.
    """

    def __init__(self, pad: SoftPad) -> None:
        self.pad = pad
        along, deep = (round(2 * length / pad.cell_m) for length in (pad.side_m, pad.thickness_m))
        self.shape = (*(along // 2 + 2 * _MARGIN + 1,) * 2, deep // 2 + 2 * _MARGIN + 1)
        # Of the grid in the frame of the pad; the back of the pad is in a plane of nodes.
        self._corner = np.array([-pad.side_m / 2, -pad.side_m / 2, -pad.thickness_m]) - _MARGIN * pad.cell_m
        nodes = np.stack(np.meshgrid(*map(np.arange, self.shape), indexing="ij"), axis=3).reshape(-1, 3)
        self.nodes: FloatArray = self._corner + nodes * pad.cell_m
        """Places of the nodes, (g, 3) metres."""
        self._glued = nodes[:, 2] <= _MARGIN
        lattice = [(np.arange(n) + 0.5) * pad.cell_m / 2 for n in (along, along, deep)]
        start = np.stack(np.meshgrid(*lattice, indexing="ij"), axis=3).reshape(-1, 3)
        self.start: FloatArray = start - (pad.side_m / 2, pad.side_m / 2, pad.thickness_m)
        """Places of the particles at rest, (p, 3) metres."""
        self.surface = np.flatnonzero(start[:, 2] > start[:, 2].max() - pad.cell_m / 4)
        """Particles of the topmost layer."""
        self.places = self.start.copy()
        self._velocity: FloatArray = np.zeros_like(start)
        self._gradient: FloatArray = np.zeros((len(start), 3, 3))
        self._deformation: FloatArray = np.tile(np.eye(3), (len(start), 1, 1))
        self._volume = pad.thickness_m * pad.side_m**2 / len(start)

    def step(self, shape: Indenter, place: FloatArray, velocity: FloatArray) -> FloatArray:
        """One time step under a shape at a place that moves at a velocity, (3,) each; forces on the nodes, (g, 3) N."""
        dt = self.pad.step_s
        weights = self._weights()
        mass, momentum = self._to_grid(weights)
        there = np.flatnonzero(mass > 1e-12 * mass.max())
        free = np.zeros_like(momentum)
        free[there] = momentum[there] / mass[there, None] * np.exp(-self.pad.damping_per_s * dt)
        free[self._glued] = 0.0
        moved = self._in_contact(free, there, shape, place, velocity)
        self._from_grid(weights, moved)
        force: FloatArray = mass[:, None] * (moved - free) / dt
        return force

    def _weights(self) -> csr_matrix:
        """Quadratic B-splines of the particles at the nodes, (p, g): 27 a row."""
        at = (self.places - self._corner) / self.pad.cell_m
        base = np.floor(at - 0.5).astype(np.int64)
        off = at - base  # 0.5 to 1.5
        spline = np.stack([0.5 * (1.5 - off) ** 2, 0.75 - (off - 1.0) ** 2, 0.5 * (off - 0.5) ** 2])  # (3, p, 3)
        first = np.ravel_multi_index(tuple(base.T), self.shape)
        corners = list(product(range(3), repeat=3))
        weights = np.stack([spline[i, :, 0] * spline[j, :, 1] * spline[k, :, 2] for i, j, k in corners], axis=1)
        shift = np.array([np.ravel_multi_index(corner, self.shape) for corner in corners])
        columns = (first[:, None] + shift).ravel()
        rows = np.arange(len(at) + 1) * 27
        return csr_matrix((weights.ravel(), columns, rows), shape=(len(at), len(self.nodes)))

    def _to_grid(self, weights: csr_matrix) -> tuple[FloatArray, FloatArray]:
        """Mass (g,) and momentum (g, 3) of the nodes."""
        affine = self._affine()
        m = self.pad.density * self._volume
        at_zero = m * self._velocity - np.einsum("pij,pj->pi", affine, self.places)
        columns = np.concatenate([np.full((len(affine), 1), m), at_zero, affine.reshape(-1, 9)], axis=1)
        nodal = weights.T @ columns
        momentum: FloatArray = nodal[:, 1:4] + np.einsum("gij,gj->gi", nodal[:, 4:].reshape(-1, 3, 3), self.nodes)
        return nodal[:, 0], momentum

    def _affine(self) -> FloatArray:
        """Momentum per metre away from the particles, by their stress and their velocity gradient, (p, 3, 3)."""
        pad, deformation = self.pad, self._deformation
        mu, lam = pad.lame
        stress = mu * (deformation @ deformation.transpose(0, 2, 1) - np.eye(3))
        stress += (lam * np.log(np.linalg.det(deformation)))[:, None, None] * np.eye(3)
        pushed = -pad.step_s * self._volume * 4.0 / pad.cell_m**2 * stress
        affine: FloatArray = pushed + pad.density * self._volume * self._gradient
        return affine

    def _in_contact(
        self, free: FloatArray, there: NDArray[np.intp], shape: Indenter, place: FloatArray, velocity: FloatArray
    ) -> FloatArray:
        """Velocities of the nodes after those in the shape are stopped by it, (g, 3)."""
        distance, normal = shape.distance(self.nodes[there] - place)
        inside = np.flatnonzero(distance < 0.0)
        nodes, normal = there[inside], normal[inside]
        relative = free[nodes] - velocity
        along = np.einsum("gi,gi->g", relative, normal)
        across = relative - along[:, None] * normal
        slip = np.maximum(np.linalg.norm(across, axis=1), 1e-12)
        left = np.maximum(1.0 + self.pad.friction * np.minimum(along, 0.0) / slip, 0.0)
        stopped = np.where((along < 0.0)[:, None], across * left[:, None], relative)
        moved = free.copy()
        moved[nodes] = velocity + stopped
        moved[self._glued] = 0.0
        return moved

    def _from_grid(self, weights: csr_matrix, velocity: FloatArray) -> None:
        """Moves the particles by the velocities of the nodes, (g, 3)."""
        dt = self.pad.step_s
        outer = (velocity[:, :, None] * self.nodes[:, None]).reshape(-1, 9)
        felt = weights @ np.concatenate([velocity, outer], axis=1)
        self._velocity = felt[:, :3]
        spread = felt[:, 3:].reshape(-1, 3, 3) - self._velocity[:, :, None] * self.places[:, None]
        self._gradient = 4.0 / self.pad.cell_m**2 * spread
        self.places = self.places + dt * self._velocity
        self._deformation = self._deformation + dt * self._gradient @ self._deformation


def press(pad: SoftPad, shape: Indenter) -> Iterator[FloatArray]:
    """Maps (k, k, 5) of a shape that is pressed, and of the same then moved along x.

    Channels: pressure and the two shears in newtons a taxel, then the shift of the surface along x and y in metres.
    """
    particles, place = ElasticParticles(pad), np.zeros(3)
    for way in (np.array([0.0, 0.0, -PRESSED_M]), np.array([SHEARED_M, 0.0, 0.0])):
        steps = round(np.linalg.norm(way) / _SPEED / pad.step_s)
        for _ in range(steps):
            place = place + way / steps
            particles.step(shape, place, way / steps / pad.step_s)
        rest = [particles.step(shape, place, np.zeros(3)) for _ in range(round(_REST_S / pad.step_s))]
        yield _map(particles, np.mean(rest[-_AVERAGED_STEPS:], axis=0))


def _map(particles: ElasticParticles, force: FloatArray) -> FloatArray:
    """Forces of the nodes (g, 3) and displacements of the surface by taxels, (k, k, 5)."""
    surface, side = particles.surface, particles.pad.side_m
    pressing = np.stack([-force[:, 2], force[:, 0], force[:, 1]], axis=1).reshape(*particles.shape, 3).sum(axis=2)
    onto = _overlaps(particles.nodes.reshape(*particles.shape, 3)[:, 0, 0, 0], particles.pad.cell_m, side)
    forces = np.einsum("ri,ijc,sj->src", onto, pressing, onto)  # rows along y
    row = np.clip(((particles.start[surface] / side + 0.5) * RESOLUTION).astype(np.int64), 0, RESOLUTION - 1)
    taxel = row[:, 1] * RESOLUTION + row[:, 0]
    moved = (particles.places - particles.start)[surface]
    number = np.bincount(taxel, minlength=RESOLUTION**2)
    shifts = np.stack([np.bincount(taxel, moved[:, i], RESOLUTION**2) / number for i in range(2)], axis=1)
    return np.concatenate([forces, shifts.reshape(RESOLUTION, RESOLUTION, 2)], axis=2)


def _overlaps(nodes: FloatArray, cell: float, side: float) -> FloatArray:
    """Parts of the cells about nodes on a line that lie in each taxel, (k, nodes); a cell in the pad counts once."""
    edges = (np.arange(RESOLUTION + 1) / RESOLUTION - 0.5) * side
    low, high = np.maximum(nodes - cell / 2, edges[:-1, None]), np.minimum(nodes + cell / 2, edges[1:, None])
    part = np.maximum(high - low, 0.0)
    parts: FloatArray = part / np.maximum(part.sum(axis=0), 1e-12)
    return parts


def simulate(pad: SoftPad) -> dict[str, FloatArray]:
    """The maps of all shapes, pressed and then moved aside, (k, k, 5) each."""
    maps: dict[str, FloatArray] = {}
    for name, shape in track(INDENTERS.items(), "pressing"):
        for way, each in zip(("pressed", "sheared"), press(pad, shape), strict=True):
            maps[f"{name}/{way}"] = each
    return maps


def draw(maps: Mapping[str, FloatArray], path: Path) -> None:
    """Pressure and shear of every map, and the displacement of the surface."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    at = np.arange(RESOLUTION)
    figure, grid = plt.subplots(2, len(maps), figsize=(1.9 * len(maps), 4.2), dpi=100, layout="constrained")
    for (name, each), column in zip(maps.items(), grid.T, strict=True):
        for axes, first, title in ((column[0], 1, "force"), (column[1], 3, "shift of the surface")):
            axes.imshow(each[..., 0], origin="lower", cmap="viridis")
            arrows = each[..., first : first + 2]
            axes.quiver(at, at, *np.moveaxis(arrows, 2, 0), color="white", scale=np.abs(arrows).max() * 6, width=0.008)
            axes.set_title(f"{name}:\n{title}", fontsize=8)
            axes.set_axis_off()
    figure.savefig(path)


def main() -> None:
    """Simulate the maps, store them, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell-mm", type=float, default=SoftPad.cell_m * 1e3, help="side of a cell of the grid")
    parser.add_argument("--output", type=Path, default=MAPS, help="file to store the maps in")
    parser.add_argument("--picture", type=Path, help="file to draw them into")
    options = parser.parse_args()
    maps = simulate(SoftPad(cell_m=options.cell_mm * 1e-3))
    rounded: dict[str, Any] = {name: each.astype(np.float32) for name, each in maps.items()}
    np.savez_compressed(options.output, **rounded)
    table = Table("shape", "pressed with", "dragged with", "largest shift of the surface")
    for name, each in maps.items():
        force, shift = each[..., :2].sum(axis=(0, 1)), np.abs(each[..., 3:]).max() * 1e3
        table.add_row(name, f"{force[0]:.3f} N", f"{force[1]:.3f} N", f"{shift:.2f} mm")
    Console().print(table)
    if options.picture:
        draw(maps, options.picture)


if __name__ == "__main__":
    main()
