"""Camera images: what they show, that rows do not mix, and what happens without OpenGL."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_envs.physics import gl

gl.configure()

import mujoco  # noqa: E402  # after the OpenGL platform is settled

from mmrl_envs.physics.rendering import Renderer, make_renderer  # noqa: E402

RED, GREEN, BLUE = (0.9, 0.1, 0.1, 1.0), (0.1, 0.9, 0.1, 1.0), (0.1, 0.1, 0.9, 1.0)
HALF = 0.1  # half edge of the mocap box in metres


def make_scene(edit: Callable[[mujoco.MjSpec], None] = lambda spec: None) -> mujoco.MjModel:
    """A blue floor at z = 0, a red mocap box, a green two-capsule arm, a camera above and one
    aside."""
    spec = mujoco.MjSpec()
    world = spec.worldbody
    world.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], rgba=BLUE)
    # 1 m above the floor, looking straight down, x right and y up in the image; it sees 1 m x 1 m.
    fovy = np.degrees(2 * np.arctan(0.5))
    world.add_camera(name="above", pos=[0, 0, 1], fovy=fovy)
    world.add_camera(name="aside", pos=[1, 0, 0.6], xyaxes=[0, 1, 0, -0.5, 0, 0.8], fovy=60)
    box = world.add_body(name="box", mocap=True, pos=[0, 0, HALF])
    box.add_geom(name="box", type=mujoco.mjtGeom.mjGEOM_BOX, size=[HALF] * 3, rgba=RED)
    link = world.add_body(pos=[-0.3, 0, 0.1])
    for _ in range(2):
        link.add_joint(type=mujoco.mjtJoint.mjJNT_HINGE, axis=[1, 0, 0])
        link.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            size=[0.05, 0, 0],
            fromto=[0, 0, 0, 0, 0, 0.2],
            rgba=GREEN,
        )
        link = link.add_body(pos=[0, 0, 0.2])
    link.add_camera(name="wrist", pos=[0.2, 0, 0.2], xyaxes=[0, 1, 0, -0.3, 0, 1])
    edit(spec)
    return spec.compile()


SCENE = make_scene()


class Worlds:
    """Random poses of `count` worlds, or the resting pose with the box at `box_x`."""

    def __init__(self, count: int = 1, box_x: float = 0.0, seed: int | None = None) -> None:
        generator = np.random.default_rng(seed)
        shift = 0.0 if seed is None else generator.uniform(-0.2, 0.2, (count, 1, 3)) * [1, 1, 0]
        self.qpos = np.zeros((count, 2)) if seed is None else generator.uniform(-1, 1, (count, 2))
        self.mocap_pos = np.tile([box_x, 0.0, HALF], (count, 1, 1)) + shift
        self.mocap_quat = np.tile([1.0, 0.0, 0.0, 0.0], (count, 1, 1))

    def draw(
        self,
        renderer: Renderer,
        camera: str = "above",
        size: tuple[int, int] = (64, 64),
        *,
        depth: bool = False,
        models: Sequence[mujoco.MjModel] | None = None,
        rows: Sequence[int] | None = None,
    ) -> np.ndarray:
        rows = range(len(self.qpos)) if rows is None else rows
        chosen = np.asarray(rows, int)
        images: np.ndarray = renderer.render(
            models or [SCENE] * len(chosen),
            self.qpos[chosen],
            self.mocap_pos[chosen],
            self.mocap_quat[chosen],
            camera,
            *size,
            depth=depth,
        )
        return images


@pytest.fixture(params=["opengl", "raycast"])
def new(request: pytest.FixtureRequest) -> Iterator[Callable[..., Renderer]]:
    """`make_renderer` for each way of drawing; what it made is closed afterwards."""
    yield from _factory("raycast" if request.param == "raycast" else None)


@pytest.fixture
def new_opengl() -> Iterator[Callable[..., Renderer]]:
    yield from _factory(None)


def _factory(backend: str | None) -> Iterator[Callable[..., Renderer]]:
    made: list[Renderer] = []

    def make(model: mujoco.MjModel = SCENE, **options: Any) -> Renderer:
        made.append(make_renderer(model, backend=backend, **options))
        if backend is None and made[-1].backend == "raycast":
            pytest.skip("no OpenGL on this machine")
        return made[-1]

    yield make
    for renderer in made:
        renderer.close()


def dominant(image: np.ndarray) -> np.ndarray:
    """0, 1 or 2 where red, green or blue leads."""
    leading: np.ndarray = image.argmax(axis=-1)
    return leading


def test_colours_are_where_the_geometry_is(new: Callable[..., Renderer]) -> None:
    image = Worlds(box_x=0.2).draw(new())[0]
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    # The box top is 0.8 m away and there 64 px span 0.8 m: 12.5 mm a pixel. Its middle at x = 0.2,
    # y = 0 lies 16 px right of the image middle; its edges are 8 px from that.
    assert (dominant(image)[26:38, 42:54] == 0).all()
    assert dominant(image)[2, 2] == 2  # floor in the corner
    # The arm stands at x = -0.3. Its foot (z = 0.1, 0.9 m away: 14 mm a pixel) is 21 px left of the
    # middle, its tip (z = 0.55, 0.45 m away) 43 px and out of the image: green left of column 11.
    assert (dominant(image)[31:33, 0:8] == 1).all()


def test_depth_is_metres_along_the_optical_axis(new: Callable[..., Renderer]) -> None:
    depth = Worlds(box_x=0.2).draw(new(), depth=True)[0]
    assert depth.shape == (64, 64, 1)
    assert depth.dtype == np.float32
    # Camera at z = 1, box top at z = 0.2, floor at z = 0; the corner ray is longer than 1 m.
    np.testing.assert_allclose(depth[26:38, 42:54], 0.8, rtol=1e-4)
    np.testing.assert_allclose(depth[0, -1], 1.0, rtol=1e-4)


def test_sky_is_black_and_at_the_far_plane(new: Callable[..., Renderer]) -> None:
    scene = make_scene(lambda spec: spec.worldbody.add_camera(name="up", xyaxes=[1, 0, 0, 0, -1, 0]))
    renderer = new(scene)
    far = scene.vis.map.zfar * scene.stat.extent
    aside = [5.0, 5.0, -5.0]
    worlds = Worlds()
    worlds.mocap_pos[:] = aside
    depth = worlds.draw(renderer, "up", (8, 8), depth=True, models=[scene])
    np.testing.assert_allclose(depth[0, 0, 0], far, rtol=1e-4)
    assert not worlds.draw(renderer, "up", (8, 8), models=[scene])[0, 0, 0].any()


def test_wide_images_keep_square_pixels(new: Callable[..., Renderer]) -> None:
    renderer = new()
    square = Worlds().draw(renderer, size=(32, 32), depth=True)[0]
    wide = Worlds().draw(renderer, size=(32, 64), depth=True)[0]
    np.testing.assert_allclose(wide[:, 16:48], square, rtol=1e-4)


@pytest.mark.parametrize("camera", ["above", "aside"])
def test_opengl_and_ray_casting_see_the_same_geometry(new_opengl: Callable[..., Renderer], camera: str) -> None:
    worlds = Worlds(4, seed=1)
    cast = make_renderer(SCENE, backend="raycast")
    # The finely cut capsules of "video": coarse ones are smaller than the round ones of the rays.
    drawn = worlds.draw(new_opengl(quality="video"), camera, depth=True)
    exact = worlds.draw(cast, camera, depth=True)
    close = np.abs(drawn - exact) < 1e-3 * exact
    assert close.mean() > 0.97
    same = dominant(worlds.draw(new_opengl(), camera)) == dominant(worlds.draw(cast, camera))
    assert same.mean() > 0.97
    cast.close()


@settings(max_examples=10, deadline=None)
@given(rows=st.lists(st.integers(0, 7), min_size=1, max_size=12), depth=st.booleans())
def test_an_image_depends_on_its_own_row_alone(rows: list[int], depth: bool) -> None:
    worlds = Worlds(8, seed=2)
    whole = worlds.draw(_shared(1), "wrist", depth=depth)
    part = worlds.draw(_shared(3), "wrist", depth=depth, rows=rows)
    np.testing.assert_array_equal(part, whole[rows])


_renderers: dict[int, Renderer] = {}


def _shared(num_threads: int) -> Renderer:
    """One renderer for all examples: starting one takes longer than an example."""
    if num_threads not in _renderers:
        _renderers[num_threads] = make_renderer(SCENE, num_threads=num_threads)
    return _renderers[num_threads]


def test_ray_cast_rows_do_not_mix_either() -> None:
    worlds = Worlds(6, seed=3)
    one, three = (make_renderer(SCENE, num_threads=k, backend="raycast") for k in (1, 3))
    np.testing.assert_array_equal(worlds.draw(one, "aside")[[4, 1]], worlds.draw(three, "aside", rows=[4, 1]))
    one.close()
    three.close()


def test_joints_and_mocap_bodies_move(new: Callable[..., Renderer]) -> None:
    renderer = new()
    rest, moved = Worlds(), Worlds()
    moved.qpos[:] = 1.2
    assert (rest.draw(renderer, "aside") != moved.draw(renderer, "aside")).any()
    turned = Worlds()
    turned.mocap_quat[:] = [np.cos(np.pi / 8), 0, 0, np.sin(np.pi / 8)]  # 45 degrees about z
    # The corner of the turned square reaches 0.141 m = 11.3 px from the middle, its edge only 8 px.
    assert dominant(turned.draw(renderer)[0])[32, 42] == 0
    assert dominant(rest.draw(renderer)[0])[32, 42] == 2


def test_each_row_has_its_own_model(new: Callable[..., Renderer]) -> None:
    def shrink(spec: mujoco.MjSpec) -> None:
        spec.geom("box").size = [HALF / 2] * 3
        spec.geom("box").rgba = GREEN

    small = make_scene(shrink)
    images = Worlds(2).draw(new(), models=[SCENE, small])
    assert dominant(images[0])[32, 32] == 0
    assert dominant(images[1])[32, 32] == 1
    assert dominant(images[1])[32, 38] == 2  # 0.05 m at 0.9 m is 3.6 px, so the floor shows here


def test_rows_may_differ_in_mesh_shape(new: Callable[..., Renderer]) -> None:
    def with_mesh(edge: float) -> mujoco.MjModel:
        def add(spec: mujoco.MjSpec) -> None:
            corners = np.array(np.meshgrid(*[[-edge, edge]] * 3)).reshape(3, -1).T
            spec.add_mesh(name="block", uservert=corners.flatten())
            mesh = mujoco.mjtGeom.mjGEOM_MESH
            spec.worldbody.add_geom(type=mesh, meshname="block", pos=[0, 0, 0.5], rgba=GREEN)

        return make_scene(add)

    models = [with_mesh(0.02), with_mesh(0.1)]
    images = Worlds(3).draw(new(models[0]), models=[models[0], models[1], models[0]])
    green = (dominant(images) == 1)[:, :, 20:44].sum(axis=(1, 2))  # the arm is further left
    assert green[0] == green[2]
    # Tops at 0.48 and 0.4 m: edges of 0.04 / 0.48 * 64 = 5.3 and 0.2 / 0.4 * 64 = 32 px, of which
    # 24 columns are counted.
    assert 16 <= green[0] <= 49
    assert 700 <= green[1] <= 900


def test_only_the_chosen_geom_groups_are_drawn(new: Callable[..., Renderer]) -> None:
    def hide(spec: mujoco.MjSpec) -> None:
        spec.geom("box").group = 4

    scene = make_scene(hide)
    assert dominant(Worlds().draw(new(scene), models=[scene])[0])[32, 32] == 2
    shown = new(scene, geom_groups=(0, 4))
    assert dominant(Worlds().draw(shown, models=[scene])[0])[32, 32] == 0


@pytest.mark.parametrize("quality", ["policy", "video"])
def test_sites_stay_invisible(new_opengl: Callable[..., Renderer], quality: str) -> None:
    def mark(spec: mujoco.MjSpec) -> None:
        spec.worldbody.add_site(pos=[0, 0, 0.5], size=[0.2, 0.2, 0.2], rgba=GREEN)

    scene = make_scene(mark)
    image = Worlds().draw(new_opengl(scene, quality=quality), models=[scene])[0]
    assert dominant(image)[32, 32] == 0


def test_a_material_colours_its_geoms() -> None:
    def paint(spec: mujoco.MjSpec) -> None:
        spec.add_material(name="leaf", rgba=GREEN)
        spec.geom("box").rgba = [0.5, 0.5, 0.5, 1]
        spec.geom("box").material = "leaf"

    scene = make_scene(paint)
    renderer = make_renderer(scene, backend="raycast")
    assert dominant(Worlds().draw(renderer, models=[scene])[0])[32, 32] == 1
    renderer.close()


def test_lamps_of_each_kind_light_the_ray_cast_scene() -> None:
    kinds = mujoco.mjtLightType
    for kind in (kinds.mjLIGHT_SPOT, kinds.mjLIGHT_DIRECTIONAL, kinds.mjLIGHT_POINT):

        def lamp(spec: mujoco.MjSpec, kind: mujoco.mjtLightType = kind) -> None:
            spec.worldbody.add_light(pos=[0, 0, 2], dir=[0, 0, -1], type=kind, diffuse=[0.5] * 3)

        scene = make_scene(lamp)
        renderer = make_renderer(scene, backend="raycast")
        lit, plain = Worlds(2).draw(renderer, models=[scene, _without_lamps(scene)])[:, 32, 32, 0]
        # It hangs straight above the box, so all its diffuse light arrives: 0.5 of red 0.9 is 115.
        assert int(lit) - int(plain) == pytest.approx(115, abs=1)
        renderer.close()


def _without_lamps(scene: mujoco.MjModel) -> mujoco.MjModel:
    dark = mujoco.MjModel.__copy__(scene)
    dark.light_active[:] = 0
    return dark


def test_images_of_any_size_in_any_order(new: Callable[..., Renderer]) -> None:
    renderer = new()
    before = Worlds().draw(renderer, size=(24, 24))
    large = Worlds().draw(renderer, size=(200, 300))
    assert large.shape == (1, 200, 300, 3)
    assert dominant(large[0])[100, 150] == 0
    np.testing.assert_array_equal(Worlds().draw(renderer, size=(24, 24)), before)


def test_no_rows_give_no_images(new: Callable[..., Renderer]) -> None:
    assert Worlds(0).draw(new()).shape == (0, 64, 64, 3)


def test_video_quality_draws_shadows(new_opengl: Callable[..., Renderer]) -> None:
    scene = make_scene(
        lambda spec: spec.worldbody.add_light(
            pos=[1, 0, 1], dir=[-1, 0, -1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        )
    )
    video = Worlds().draw(new_opengl(scene, quality="video"), models=[scene])[0].astype(int)
    plain = Worlds().draw(new_opengl(scene), models=[scene])[0].astype(int)
    # Light from +x at 45 degrees: at y = 0 the shadow of the box (0.2 m high) lies on x in
    # [-0.3, -0.1], columns 13 to 25 of the floor (15.6 mm a pixel); the other side is lit.
    assert video[32, 20].sum() < 0.8 * video[32, 43].sum()
    assert plain[32, 43].sum() == pytest.approx(plain[45, 43].sum(), rel=0.1)


def test_unknown_camera_is_answered_with_the_known_ones(new: Callable[..., Renderer]) -> None:
    with pytest.raises(ValueError, match=r"'head'.*above, aside, wrist"):
        Worlds().draw(new(), "head")


def test_orthographic_cameras_cannot_be_ray_cast() -> None:
    def add(spec: mujoco.MjSpec) -> None:
        spec.worldbody.add_camera(name="flat", proj=mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC)

    scene = make_scene(add)
    renderer = make_renderer(scene, backend="raycast")
    with pytest.raises(ValueError, match="'flat' is orthographic"):
        Worlds().draw(renderer, "flat", models=[scene])
    renderer.close()


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="num_threads is 0"):
        make_renderer(SCENE, num_threads=0)
    with pytest.raises(ValueError, match=r"'fine'.*policy, video"):
        make_renderer(SCENE, quality="fine")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ValueError, match="groups run from 0 to 5"):
        make_renderer(SCENE, geom_groups=(0, 6))
    with pytest.raises(ValueError, match="'vulkan'"):
        make_renderer(SCENE, backend="vulkan")


def test_bad_rows_are_named() -> None:
    renderer = make_renderer(SCENE, backend="raycast")
    worlds = Worlds(2)
    with pytest.raises(ValueError, match=r"qpos has shape \(2, 2\); 1 models need \(1, 2\)"):
        worlds.draw(renderer, models=[SCENE])
    other = make_scene(lambda spec: spec.worldbody.add_geom(size=[0.1, 0, 0]))
    with pytest.raises(ValueError, match="distinct model 1 has counts"):
        worlds.draw(renderer, models=[SCENE, other])
    with pytest.raises(ValueError, match="0 x 8"):
        worlds.draw(renderer, size=(0, 8))
    renderer.close()


def test_a_closed_renderer_says_so_and_has_no_threads(new: Callable[..., Renderer]) -> None:
    before = _painter_threads()
    renderer = new(num_threads=2)
    Worlds(2).draw(renderer)
    assert _painter_threads() == before + 2
    renderer.close()
    renderer.close()
    assert _painter_threads() == before
    with pytest.raises(RuntimeError, match="closed"):
        Worlds().draw(renderer)


def test_a_forgotten_renderer_ends_its_threads() -> None:
    before = _painter_threads()
    renderer = make_renderer(SCENE, num_threads=2)
    Worlds(2).draw(renderer)
    del renderer
    gc.collect()
    deadline = time.monotonic() + 10
    while _painter_threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _painter_threads() == before


def _painter_threads() -> int:
    return sum(thread.name == "mmrl-painter" for thread in threading.enumerate())
