"""Milliseconds per camera image: MuJoCo's own renderer, ours on one and two threads, and ray
casting.

Usage: python benchmarks/bench_rendering.py [--size 64] [--worlds 32] [--repeats 15]

The scene is a floor, an arm of eight capsules and a block with a slot: some dozen primitives, as in
a policy camera. Wall-clock time of a whole `render` call divided by the images it gave; minimum and
median over the repeats.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from mmrl_envs.physics import gl

gl.configure()

import mujoco  # noqa: E402  # after the OpenGL platform is settled
import numpy as np  # noqa: E402

from mmrl_envs.physics.rendering import make_renderer  # noqa: E402

CAMERA = "overview"
LINKS = 8


def scene() -> mujoco.MjModel:
    """A floor, an arm of `LINKS` capsules, and a mocap block of four boxes."""
    spec = mujoco.MjSpec()
    world = spec.worldbody
    world.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[2, 2, 0.1], rgba=[0.4, 0.45, 0.5, 1])
    world.add_light(pos=[0, 0, 2], dir=[0, 0, -1])
    world.add_camera(name=CAMERA, pos=[1.1, 0, 0.9], xyaxes=[0, 1, 0, -0.6, 0, 0.8])
    block = world.add_body(name="block", mocap=True, pos=[0.4, 0, 0.03])
    for x, y in ((0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05)):
        block.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.02, 0.02, 0.03],
            pos=[x, y, 0],
            rgba=[0.9, 0.3, 0.2, 1],
        )
    link = world.add_body(pos=[0, 0, 0.05])
    for index in range(LINKS):
        link.add_joint(type=mujoco.mjtJoint.mjJNT_HINGE, axis=[index % 2, 1 - index % 2, 0])
        link.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            size=[0.03, 0, 0],
            fromto=[0, 0, 0, 0, 0, 0.1],
            rgba=[0.2, 0.1 * index, 0.8, 1],
        )
        link = link.add_body(pos=[0, 0, 0.1])
    return spec.compile()


def milliseconds(render: Callable[[], object], images: int, repeats: int) -> tuple[float, float]:
    """Minimum and median of the time per image in ms, after two calls that start threads and
    drivers."""
    render()
    render()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        render()
        times.append((time.perf_counter() - start) / images * 1e3)
    return min(times), statistics.median(times)


def stock(model: mujoco.MjModel, qpos: np.ndarray, size: int) -> Callable[[], object]:
    """MuJoCo's renderer as its documentation shows it, one image at a time."""
    renderer = mujoco.Renderer(model, size, size)
    data = mujoco.MjData(model)

    def render() -> None:
        for row in qpos:
            data.qpos[:] = row
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, CAMERA)
            renderer.render()

    return render


def ours(
    model: mujoco.MjModel, qpos: np.ndarray, size: int, threads: int, backend: str | None = None
) -> Callable[[], object]:
    """All rows in one call of a `make_renderer` renderer."""
    renderer = make_renderer(model, num_threads=threads, backend=backend)
    data = mujoco.MjData(model)
    mocap_pos = np.repeat(data.mocap_pos[None], len(qpos), axis=0)
    mocap_quat = np.repeat(data.mocap_quat[None], len(qpos), axis=0)
    models = [model] * len(qpos)
    return lambda: renderer.render(models, qpos, mocap_pos, mocap_quat, CAMERA, size, size)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="image height and width in pixels")
    parser.add_argument("--worlds", type=int, default=32, help="images per call")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    model = scene()
    qpos = np.random.default_rng(0).uniform(-0.4, 0.4, (options.worlds, model.nq))
    rows: list[tuple[str, Callable[[], object], int]] = []
    if gl.preferred() != "raycast":
        few = qpos[:4]  # some 40 ms each on a software driver
        rows.append(("mujoco.Renderer", stock(model, few, options.size), len(few)))
        rows += [
            (
                f"{gl.preferred()}, {count} thread(s)",
                ours(model, qpos, options.size, count),
                len(qpos),
            )
            for count in (1, 2)
        ]
    rows += [
        (
            f"ray casting, {count} thread(s)",
            ours(model, qpos, options.size, count, "raycast"),
            len(qpos),
        )
        for count in (1, 2)
    ]
    print(f"{options.size} x {options.size} RGB, {options.worlds} worlds, mujoco {mujoco.__version__}")
    print(f"{'':26}{'min ms':>9}{'median ms':>11}{'first / this':>14}")
    first = None
    for name, render, images in rows:
        least, median = milliseconds(render, images, options.repeats)
        first = first or least
        print(f"{name:26}{least:9.3f}{median:11.3f}{first / least:14.1f}")


if __name__ == "__main__":
    main()
