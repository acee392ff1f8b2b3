"""Optical flow of posed scenes: known points on moving bodies go where their projections go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from mmrl_envs.physics import gl

gl.configure()

import mujoco  # noqa: E402  # after the OpenGL platform is settled

from mmrl_envs.physics.painter_pool import Poses  # noqa: E402
from mmrl_envs.physics.rendering import Renderer, make_renderer  # noqa: E402

HALF = 0.1  # half edge of the mocap box in metres
SIDE = 64


def scene() -> mujoco.MjModel:
    """A floor, a box that can be put anywhere, and an arm of one joint that carries a camera."""
    spec = mujoco.MjSpec()
    world = spec.worldbody
    world.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    # 1 m above the floor, looking straight down, x right and y up in the image; it sees 1 m x 1 m.
    world.add_camera(name="above", pos=[0, 0, 1], fovy=np.degrees(2 * np.arctan(0.5)))
    world.add_camera(name="up", pos=[0, 0, 1], xyaxes=[1, 0, 0, 0, -1, 0])
    world.add_camera(name="flat", pos=[0, 0, 1], proj=mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC)
    box = world.add_body(name="box", mocap=True, pos=[0, 0, HALF])
    box.add_geom(name="box", type=mujoco.mjtGeom.mjGEOM_BOX, size=[HALF] * 3)
    arm = world.add_body(name="arm", pos=[-0.6, 0, 0.7])
    arm.add_joint(type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 1, 0])
    arm.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.02, 0, 0])
    arm.add_camera(name="wrist", pos=[0.3, 0, 0.1], xyaxes=[0, -1, 0, 0.6, 0, 0.8], fovy=80)
    return spec.compile()


SCENE = scene()


def poses(joint: float = 0.0, turn: float = 0.0, place: Sequence[float] = (0.0, 0.0, HALF)) -> Poses:
    """One world, its box turned about the vertical."""
    quaternion = [np.cos(turn / 2), 0, 0, np.sin(turn / 2)]
    return Poses(np.array([[joint]]), np.array([[place]], float), np.array([[quaternion]]))


@pytest.fixture(params=["opengl", "raycast"])
def renderer(request: pytest.FixtureRequest) -> Iterator[Renderer]:
    made = make_renderer(SCENE, backend="raycast" if request.param == "raycast" else None)
    if request.param == "opengl" and made.backend == "raycast":
        pytest.skip("no OpenGL on this machine")
    yield made
    made.close()


def flow(renderer: Renderer, before: Poses, after: Poses, camera: str = "above", side: int = SIDE) -> np.ndarray:
    return renderer.flow([SCENE], before, after, camera, side, side)[0]


def pixel(at: Poses, camera: str, body: str, point: Sequence[float]) -> np.ndarray:
    """Column and row at which a camera sees a point of a body, in pixels from the corner of the image."""
    data = mujoco.MjData(SCENE)
    at.put(0, SCENE, data)
    world = data.body(body).xpos + data.body(body).xmat.reshape(3, 3) @ point
    x, y, z = data.cam(camera).xmat.reshape(3, 3).T @ (world - data.cam(camera).xpos)
    focal = SIDE / 2 / np.tan(np.radians(SCENE.camera(camera).fovy[0]) / 2)
    return SIDE / 2 + focal * np.array([x, -y]) / -z


def test_a_box_that_slides_flows_by_its_distance_in_pixels(renderer: Renderer) -> None:
    seen = flow(renderer, poses(), poses(place=(0.05, -0.025, HALF)))
    # The top is 0.8 m away, where 64 px span 0.8 m: 0.05 m right are 4 px, 0.025 m down in the image are 2 px.
    np.testing.assert_allclose(seen[26:38, 26:38, :2], np.broadcast_to([4.0, 2.0], (12, 12, 2)), atol=1e-3)
    np.testing.assert_allclose(seen[:10, :, :2], 0, atol=1e-6)  # the floor
    assert (seen[..., 2] == 1).all()


@pytest.mark.parametrize("camera", ["above", "wrist"])
@pytest.mark.parametrize("point", [(0.05, 0.05, HALF), (-0.07, 0.03, HALF), (0.0, -0.06, HALF)])
def test_points_of_a_body_go_where_their_projections_go(
    renderer: Renderer, camera: str, point: tuple[float, ...]
) -> None:
    """Box and camera move, and turn; the flow of the pixel is that of the point in it, half a pixel away at most."""
    before, after = poses(), poses(joint=0.05, turn=0.3, place=(0.06, -0.04, HALF + 0.02))
    at, goes = (pixel(pose, camera, "box", point) for pose in (before, after))
    column, row = np.floor(at).astype(int)
    seen = flow(renderer, before, after, camera)[row, column]
    # A turn of 0.3 rad moves what is half a pixel away by 0.15 px less or more.
    np.testing.assert_allclose(seen[:2], goes - at, atol=0.25)
    assert np.linalg.norm(goes - at) > 2
    assert seen[2] == 1


def test_the_flow_is_that_of_the_middles_of_pixels(renderer: Renderer) -> None:
    """Over a turned box the flow is linear in the place, and so the projection of each middle by itself."""
    before, after = poses(), poses(turn=0.3)
    seen = flow(renderer, before, after)[26:38, 26:38, :2]
    place = np.arange(26, 38) + 0.5 - SIDE / 2
    x, y = np.meshgrid(place, -place)  # y up
    turned = np.stack([np.cos(0.3) * x - np.sin(0.3) * y, np.sin(0.3) * x + np.cos(0.3) * y])
    np.testing.assert_allclose(seen, np.stack([turned[0] - x, y - turned[1]], axis=2), atol=1e-3)


def test_a_camera_that_moves_makes_the_world_flow(renderer: Renderer) -> None:
    """Points of the floor, which stand still, seen by the camera on the arm."""
    before, after = poses(joint=0.0), poses(joint=0.02)
    seen = flow(renderer, before, after, "wrist")
    for point in ((0.3, 0.3, 0.0), (0.25, -0.3, 0.0), (0.6, 0.1, 0.0)):
        at, goes = (pixel(pose, "wrist", "world", point) for pose in (before, after))
        column, row = np.floor(at).astype(int)
        np.testing.assert_allclose(seen[row, column, :2], goes - at, atol=0.05)
        assert np.linalg.norm(goes - at) > 0.5


def test_what_stands_still_flows_nowhere(renderer: Renderer) -> None:
    for camera in ("above", "wrist"):
        seen = flow(renderer, poses(joint=0.3, turn=1.0), poses(joint=0.3, turn=1.0), camera)
        np.testing.assert_allclose(seen[..., :2], 0, atol=1e-4)


def test_nothing_is_known_of_the_sky_or_behind_the_camera(renderer: Renderer) -> None:
    assert not flow(renderer, poses(), poses(place=(0.1, 0, HALF)), "up").any()
    gone = flow(renderer, poses(), poses(place=(0, 0, 3.0)))
    assert not gone[26:38, 26:38].any()  # the box is above the camera now
    assert (gone[:10, :, 2] == 1).all()


def test_a_wide_flow_has_the_pixels_of_its_own_size(renderer: Renderer) -> None:
    before, after = poses(), poses(place=(0.05, 0, HALF))
    wide = renderer.flow([SCENE], before, after, "above", 32, 64)[0]
    np.testing.assert_allclose(wide[:, 16:48], flow(renderer, before, after, side=32), atol=1e-4)
    np.testing.assert_allclose(wide[14:18, 30:34, 0], 2.0, atol=1e-3)


def test_what_has_no_flow_is_refused(renderer: Renderer) -> None:
    with pytest.raises(ValueError, match="camera 'flat' is orthographic; its optical flow is not known"):
        flow(renderer, poses(), poses(), "flat")
    two = Poses(*(np.concatenate([each, each]) for each in poses()))
    with pytest.raises(ValueError, match=r"qpos has shape \(2, 1\); 1 models need \(1, 1\)"):
        flow(renderer, poses(), two)
