"""Maps of the tactile pad against two witnesses: a simulated elastic pad, and MuJoCo's own tactile sensor.

Both lay no claim to its newtons: the first is of another stiffness, the second has distances for forces. Patterns are
compared, by Pearson's correlation over 16 x 16 taxels.
"""

import itertools

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from mmrl.modality import Modality, Unencoded
from mmrl_envs.sensors import Sensor, View
from mmrl_envs.sensors.tactile.mpm import MAPS, PRESSED_M, SHEARED_M
from mmrl_envs.sensors.tactile.pad import TactilePad
from tests.toys.pressing import HALF_PAD, AddGeoms, Pressing, geom, pressing, ring

EIGHTH = np.pi / 8
BODIES: dict[str, AddGeoms] = {
    "sphere": geom("sphere", 0.008, pos=[0, 0, 0.008]),
    # a right-angled edge along y: a box turned by an eighth about y, half its diagonal above the pad
    "edge": geom("box", 0.01, 0.007, 0.01, pos=[0, 0, 0.01 * np.sqrt(2)], quat=[np.cos(EIGHTH), 0, np.sin(EIGHTH), 0]),
    "torus": ring(0.006, 0.002),
}
MORE: dict[str, AddGeoms] = {
    "face": geom("box", 0.008, 0.006, 0.02, pos=[0, 0, 0.02]),
    "cylinder": geom("cylinder", 0.007, 0.01, pos=[0, 0, 0.01]),
    "rod": geom("capsule", 0.004, 0.006, pos=[0, 0, 0.004], quat=[np.sqrt(0.5), 0, np.sqrt(0.5), 0]),
}


class Native(Sensor):
    """MuJoCo's sensor `tactile` at the middles of the taxels: distances into the body."""

    newest_only = True
    modality = Modality("native", shape=(16, 16, 1), rate_hz=20, encoder=Unencoded())

    def install(self, spec: mujoco.MjSpec) -> None:
        # MuJoCo turns meshes into their principal axes. Triangles far away along z, wide along y, keep these where they
        # are, and the mirror image of the taxels keeps the origin.
        at = (np.arange(16) - 7.5) * HALF_PAD / 8
        x, y = np.meshgrid(at, at)
        taxels = np.stack([x.ravel(), y.ravel(), np.full(256, 0.002)], axis=1)
        far = [[a * 1e-3, b * 0.05, z] for z in (1.0, -1.0) for a, b in ((-1, -1), (1, -1), (0, 2))]
        squares = [16 * i + j for i, j in itertools.product(range(15), range(15))]
        faces = [(c, c + 1, c + 16) for c in squares] + [(c + 1, c + 17, c + 16) for c in squares]
        mirrored = [(256 + c, 256 + b, 256 + a) for a, b, c in faces]
        spec.add_mesh(
            name="taxels",
            uservert=np.concatenate([taxels, taxels * (1, 1, -1), far]).ravel(),
            userface=np.ravel([*faces, *mirrored, (512, 513, 514), (515, 517, 516)]),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
        spec.add_sensor(
            name="native",
            type=mujoco.mjtSensor.mjSENS_TACTILE,
            objtype=mujoco.mjtObj.mjOBJ_MESH,
            objname="taxels",
            reftype=mujoco.mjtObj.mjOBJ_GEOM,
            refname="pad",
        )

    def read(self, view: View) -> NDArray[np.float64]:
        return view["native"][:, :, :256].reshape(-1, 1, 16, 16, 1)


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("way", ["pressed", "sheared"])
@pytest.mark.parametrize("name", BODIES)
def test_pressure_is_that_of_an_elastic_pad(name: str, way: str) -> None:
    aside = SHEARED_M if way == "sheared" else 0.0
    task = Pressing(BODIES[name], at=(aside, 0, -PRESSED_M, 0, 0, 0))
    seen, _ = pressing(task, TactilePad(), num_envs=1).reset(seed=0)
    with np.load(MAPS) as maps:
        assert correlation(seen["tactile"][0, :, :, 0], maps[f"{name}/{way}"][..., 0]) > 0.95


# MuJoCo's reads points, ours the areas about them: of a ridge narrower than two taxels that lies across them, points
# see a staircase (0.85), so that the edge stays along y.
@pytest.mark.parametrize(
    ("name", "turn"), [("sphere", 0.3), ("edge", 0.0), ("torus", 0.3), ("face", 0.3), ("cylinder", 0.3), ("rod", 0.3)]
)
def test_pressure_is_where_mujoco_has_it(name: str, turn: float) -> None:
    task = Pressing((BODIES | MORE)[name], at=(0.002, -0.001, -PRESSED_M, 0.03, 0, turn))
    seen, _ = pressing(task, TactilePad(), Native(), num_envs=1).reset(seed=0)
    assert seen["native"].max() > 1e-4
    assert correlation(seen["tactile"][0, :, :, 0], seen["native"][0]) > 0.93
