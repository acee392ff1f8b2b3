"""Peg and hole geometry."""

import mujoco
import numpy as np
import pytest

from mmrl_envs.tasks.peg import pegs


@pytest.mark.parametrize("name", sorted(pegs.PEG_SHAPES))
def test_outline_is_convex_counter_clockwise_and_centred(name: str) -> None:
    corners = pegs.PEG_SHAPES[name].corners
    along = np.roll(corners, -1, axis=0) - corners
    following = np.roll(along, -1, axis=0)
    assert (along[:, 0] * following[:, 1] - along[:, 1] * following[:, 0] > 0).all()
    nxt = np.roll(corners, -1, axis=0)
    cross = corners[:, 0] * nxt[:, 1] - corners[:, 1] * nxt[:, 0]
    np.testing.assert_allclose(((corners + nxt) * cross[:, None]).sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(pegs.PEG_SHAPES))
@pytest.mark.parametrize("clearance", [0.2e-3, 5e-3])
def test_hole_is_the_outline_moved_outward_by_half_the_clearance(name: str, clearance: float) -> None:
    """Rays from the axis meet the walls where the widened polygon has its edges."""
    shape = pegs.PEG_SHAPES[name]
    spec = mujoco.MjSpec()
    pegs.add_peg_meshes(spec)
    pegs.add_hole(spec.worldbody.add_body(name="hole", mocap=True), shape, floor=0.01)
    model = spec.compile()
    first = model.geom("wall0").id
    (places,) = pegs.walls_at(model, shape, np.array([clearance]))
    model.geom_pos[first : first + len(places)] = places
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    middle, normal, _ = shape.edges()
    for angle in np.linspace(0, 2 * np.pi, 37)[:-1]:
        direction = np.array([np.cos(angle), np.sin(angle)])
        # distance to the nearest edge line along the ray: (m . n + c / 2) / (d . n) over edges it faces
        facing = normal @ direction
        offset = (middle * normal).sum(axis=1) + clearance / 2
        expected = min(o / f for o, f in zip(offset, facing, strict=True) if f > 1e-9)
        hit = np.array([-1], np.int32)
        distance = mujoco.mj_ray(model, data, [0, 0, -0.01], [*direction, 0], None, 1, -1, hit)
        assert distance == pytest.approx(expected, abs=1e-9)


def test_round_peg_is_as_wide_as_its_polygonal_hole() -> None:
    """The hole's flats touch the circle of 20 mm; the peg's corners lie on it, its flats at most 0.025 mm inside."""
    shape = pegs.PEG_SHAPES["round"]
    middle, _, _ = shape.edges()
    np.testing.assert_allclose(np.linalg.norm(middle, axis=1), 0.020)
    corners = shape.peg_corners
    np.testing.assert_allclose(np.linalg.norm(corners, axis=1), 0.020)
    flats = np.linalg.norm((corners + np.roll(corners, -1, axis=0)) / 2, axis=1)
    assert (flats > 0.020 - 2.5e-5).all()
