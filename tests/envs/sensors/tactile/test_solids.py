"""Depth in convex solids against MuJoCo's own distances between geoms, point by point."""

import mujoco
import numpy as np
import pytest

from mmrl_envs.sensors.tactile.solids import MOST_FACES, GridOnPlane, faces_of, solids_of
from tests.toys.pressing import AddGeoms, geom, mesh

PLACES = np.linspace(-0.008, 0.008, 5)
PROBE_M = 1e-4
RNG = np.random.default_rng(3)
TETRAHEDRON = 0.01 * np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
POTATO = 0.009 * RNG.normal(size=(14, 3)) / np.linalg.norm(RNG.normal(size=(14, 3)), axis=1, keepdims=True)
TILTED = {"pos": [0.002, -0.001, 0.003], "quat": [0.8, 0.3, -0.4, 0.33166]}
BODIES = {
    "box": geom("box", 0.006, 0.009, 0.012, **TILTED),
    "sphere": geom("sphere", 0.009, **TILTED),
    "capsule": geom("capsule", 0.006, 0.007, **TILTED),
    "cylinder": geom("cylinder", 0.008, 0.006, **TILTED),
    "tetrahedron": mesh(TETRAHEDRON),
    "potato": mesh(POTATO),
}


def compiled(add: AddGeoms) -> mujoco.MjModel:
    """The body, and a probe that MuJoCo can measure distances from."""
    spec = mujoco.MjSpec()
    add(spec, spec.worldbody.add_body(name="object"))
    probe = spec.worldbody.add_body(name="probe", mocap=True)
    probe.add_geom(name="probe", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[PROBE_M, 0, 0])
    return spec.compile()


def measured(model: mujoco.MjModel, points: np.ndarray) -> np.ndarray:
    """Depths of points (p, 3) in the first geom, by MuJoCo."""
    data, ends, depths = mujoco.MjData(model), np.zeros(6), []
    for point in points:
        data.mocap_pos[0] = point
        mujoco.mj_forward(model, data)
        away = mujoco.mj_geomDistance(model, data, model.geom("probe").id, 0, 1.0, ends)
        depths.append(-away - PROBE_M)
    return np.array(depths)


@pytest.mark.parametrize("name", BODIES)
def test_depth_is_the_distance_to_the_surface(name: str) -> None:
    model = compiled(BODIES[name])
    (solid,) = solids_of([model], "object", 1)
    solid.take(0, model)
    along = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    along[2] *= np.linalg.det(along)
    origin = np.array([0.001, 0.0005, -0.001])
    grid = GridOnPlane(origin[None], along[None], PLACES, PLACES)
    depth = solid.depth(np.array([0]), grid)[0]
    points = origin + PLACES[:, None, None] * along[1] + PLACES[None, :, None] * along[0]  # rows along v
    expected = measured(model, points.reshape(-1, 3)).reshape(5, 5)
    inside = expected > 1e-5
    assert inside.sum() >= 4
    np.testing.assert_allclose(depth[inside], expected[inside], atol=5e-6)
    assert (depth[expected < -1e-5] < 0).all()


def test_faces_that_are_left_out_are_the_nearest_nowhere() -> None:
    """Of worlds whose shapes have different numbers of faces, which are turned in any way."""
    models = [compiled(BODIES[name]) for name in ("potato", "tetrahedron", "potato")]
    (solid,) = solids_of(models, "object", 3)
    for world, model in enumerate(models):
        solid.take(world, model)
    normal, offset = solid.arrays()["normal"], solid.arrays()["offset"]
    rng, near, kept = np.random.default_rng(0), PLACES / 4, []
    for _ in range(20):
        along = np.stack([np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in models])
        grid = GridOnPlane(rng.normal(0.0, 0.004, (3, 3)), along, near, near + 0.003)
        rows, columns = grid.affine(offset, normal)
        every = rows[:, :, :, None] + columns[:, :, None]
        np.testing.assert_array_equal(solid.depth(np.arange(3), grid), every.min(axis=1))
        kept.append(grid.affine_of_nearest(offset, normal)[0].shape[1])
    assert np.mean(kept) < normal.shape[1] - 1


def test_every_world_has_the_geometry_that_its_model_has() -> None:
    model = compiled(BODIES["box"])
    wider = compiled(geom("box", 0.009, 0.009, 0.012, **TILTED))
    (solid,) = solids_of([model], "object", 2)
    solid.take(0, model)
    solid.take(1, wider)
    grid = GridOnPlane(np.zeros((2, 3)), np.tile(np.eye(3), (2, 1, 1)), PLACES, PLACES)
    narrow, wide = solid.depth(np.arange(2), grid)
    assert (wide >= narrow - 1e-12).all()
    assert wide.max() > narrow.max() + 1e-3
    np.testing.assert_array_equal(solid.depth(np.array([1]), GridOnPlane(*one(grid)))[0], wide)


def one(grid: GridOnPlane) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return grid.origin[1:], grid.along[1:], grid.u, grid.v


def test_shapes_without_an_exact_depth_are_refused_by_name() -> None:
    step = 0.01 * np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]])
    corners = np.concatenate([np.pad(step, ((0, 0), (0, 1))), np.pad(step, ((0, 0), (0, 1)), constant_values=0.01)])
    caps = np.array([(0, 1, 2), (0, 2, 3), (0, 3, 5), (3, 4, 5)])
    sides = [(i, (i + 1) % 6, (i + 1) % 6 + 6) for i in range(6)] + [(i, (i + 1) % 6 + 6, i + 6) for i in range(6)]
    stairs = mesh(corners, [*caps[:, ::-1], *(caps + 6), *sides])
    with pytest.raises(ValueError, match=r"'shape' is not convex: a triangle lies .* mm inside its hull, at most"):
        solids_of([compiled(stairs)], "object", 1)
    with pytest.raises(ValueError, match="'object' is of kind ellipsoid; a pad feels boxes"):
        solids_of([compiled(geom("ellipsoid", 0.01, 0.02, 0.03))], "object", 1)
    with pytest.raises(ValueError, match="'object' has no geom that can touch"):
        solids_of([compiled(geom("box", 0.01, 0.02, 0.03, contype=0, conaffinity=0))], "object", 1)
    ball = RNG.normal(size=(400, 3))
    with pytest.raises(ValueError, match=rf"'shape' has \d+ faces, a pad feels at most {MOST_FACES}"):
        solids_of([compiled(mesh(0.01 * ball / np.linalg.norm(ball, axis=1, keepdims=True)))], "object", 1)


def test_faces_of_a_mesh_are_those_of_its_hull() -> None:
    model = compiled(mesh(TETRAHEDRON))
    normal, offset = faces_of(model, 0)
    # a regular tetrahedron with corners 1 cm x sqrt(3) from its middle: its faces are a third of that away
    assert normal.shape == (4, 3)
    np.testing.assert_allclose(offset, 0.01 / np.sqrt(3), atol=1e-8)
