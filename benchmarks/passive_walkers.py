"""Walkers that walk by themselves: `python -m benchmarks.passive_walkers`.

For the build of the robot `toddler`, what it does down ramps with its servos' targets at 0, where they are springs and
dampers and give no energy. `--search 200` looks for a better build first: mutations of the best one so far, judged by
how long they stay up, how far they get and whether the contact stays on the real sole, down three ramps.
`--picture FILE` draws a strip of frames of its walk instead.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmrl.arrays import FloatArray
from mmrl_envs.robots.toddler import CONTACT, GROUND_BITS, HIPS, SIDES, Build, Toddler

SLOPES = (0.02, 0.025, 0.03, 0.035, 0.04, 0.05)
SEARCHED = (0.025, 0.03, 0.04)
STEPS = 10
"""Of physics, of 1 ms, between two looks at the walker."""
SPREAD = {
    "roll_radius": 0.06,
    "pitch_radius": 0.06,
    "sole_y": 0.05,
    "sole_x": 0.15,
    "leg_height": 0.03,
    "leg_x": 0.2,
    "leg_inertia": 0.1,
    "leg_yaw_inertia": 0.1,
    "leg_mass": 0.1,
    "trunk_mass": 0.1,
    "trunk_z": 0.2,
    "hip_damping": 0.2,
    "torsion": 0.1,
}
"""Relative deviation of a mutation of each measure."""


@dataclass(frozen=True)
class Walk:
    """The walk of a passive walker."""

    seconds: float
    """Until it fell, or all there were."""
    ahead_m: float
    """How far it got."""
    left_m: float
    """How far it strayed to the left."""
    rocking_hz: float
    """Rocking of the trunk from side to side, in the second half."""
    roll_rad: float
    """Largest roll in the second half."""
    hip_rad: float
    """Largest angle of a hip in the second half."""
    ends_m: float
    """How far the contact got from the middle of the sole ahead or back."""
    out_m: float
    """How far it got from the lowest point outward."""
    in_m: float
    """How far it got from the lowest point inward."""


def scene(build: Build) -> mujoco.MjModel:
    """The walker on a plane."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep, spec.option.integrator = 1e-3, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    both = sum(GROUND_BITS.values())
    plane = {"type": mujoco.mjtGeom.mjGEOM_PLANE, "size": [0, 0, 1], "contype": 0, "conaffinity": both}
    spec.worldbody.add_geom(name="ground", friction=(1.0, build.torsion, 1e-4), condim=4, **CONTACT, **plane)
    Toddler(build).install(spec)
    return spec.compile()


def walk(build: Build, slope: float, seconds: float = 20.0, lean: float = 0.12) -> Walk:
    """Lets it go from a lean on one foot down a ramp: gravity is turned, so that x is along it."""
    model = scene(build)
    model.opt.gravity[:] = 9.81 * np.array([np.sin(slope), 0.0, -np.cos(slope)])
    data = mujoco.MjData(model)
    data.qpos[:] = Toddler(build).leaning(np.array([lean]))[0]
    looks = round(seconds * 1000 / STEPS)
    roll, hip, spots = np.zeros(looks), np.zeros(looks), np.zeros((looks, 3))
    hips = [model.joint(name).qposadr[0] for name in HIPS]
    look = 0
    for look in range(looks):
        mujoco.mj_step(model, data, STEPS)
        w, x, y, z = data.qpos[3:7]
        roll[look], hip[look] = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)), np.abs(data.qpos[hips]).max()
        spots[look] = _spots(model, data, build)
        if hip[look] > 0.7 or 1 - 2 * (x * x + y * y) < np.cos(0.45):
            break
    late = slice((look + 1) // 2, look + 1)
    rocks = ((roll[late][1:] > 0) & (roll[late][:-1] <= 0)).sum() * 1000 / STEPS / max(len(roll[late]), 1)
    largest = np.abs(roll[late]).max(), hip[late].max()
    ahead, aside = data.qpos[:2]
    return Walk((look + 1) * STEPS / 1000, ahead, aside, float(rocks), *map(float, (*largest, *spots.max(axis=0))))


def _spots(model: mujoco.MjModel, data: mujoco.MjData, build: Build) -> FloatArray:
    """How far contacts are from the lowest points of their soles ahead or back, outward and inward, (3,)."""
    worst = np.zeros(3)
    for contact in data.contact[: data.ncon]:
        side = model.geom(contact.geom2).name.partition("_")[0]
        foot = data.body(f"{side}_foot")
        x, y, _ = foot.xmat.reshape(3, 3).T @ (contact.pos - foot.xpos)
        out = y * (1 if side == SIDES[0] else -1)
        worst = np.maximum(worst, [abs(x), out, -out])
    return worst


def merit(build: Build) -> float:
    """How good a walker is: metres down three ramps, less for falling, straying and leaving the real sole."""
    total = 0.0
    ends, out, inner = build.sole_length / 2, build.sole_outer - build.sole_y, build.sole_y - build.sole_inner
    for slope in SEARCHED:
        one = walk(build, slope)
        off = max(one.ends_m - ends, 0) + max(one.out_m - out, 0) + max(one.in_m - inner, 0)
        steps = one.rocking_hz > 0.5 and one.hip_rad > 0.05
        total += one.seconds / 20 + steps * (1 + min(one.ahead_m, 4.0) - abs(one.left_m)) - 50 * off
    return total


def mutated(build: Build, rng: np.random.Generator, size: float) -> Build:
    """A build with some of its measures changed."""
    chosen = [name for name in SPREAD if rng.random() < 0.4]
    return replace(build, **{n: vars(build)[n] * float(np.exp(size * SPREAD[n] * rng.normal())) for n in chosen})


def search(build: Build, tries: int, seed: int) -> Build:
    """The best of mutations of a build, each of the best so far."""
    rng, best = np.random.default_rng(seed), merit(build)
    for _ in track(range(tries), "Searching"):
        other = mutated(build, rng, float(rng.choice([0.3, 1.0])))
        try:
            found = merit(other)
        except (ValueError, mujoco.FatalError):  # inertias that no body has
            continue
        if found > best:
            best, build = found, other
            Console().print(f"{best:.2f}", build)
    return build


def table(build: Build, seconds: float) -> Table:
    """Walks of a build down ramps, a row each."""
    table = Table(title=f"{build.mass:.2f} kg, hips at {build.hip} m, servos at 0, {seconds:g} s")
    for heading in ("slope", "s", "ahead m", "aside m", "Hz", "roll", "hip", "ends m", "out m", "in m"):
        table.add_column(heading, justify="right")
    for slope in SLOPES:
        table.add_row(f"{slope:g}", *(f"{value:.3f}" for value in vars(walk(build, slope, seconds)).values()))
    return table


def strip(frames: int = 6, every: int = 4) -> NDArray[np.uint8]:
    """Frames of a walk down 0.03 rad side by side, so many control steps of 40 ms apart, (320, 240 frames, 3)."""
    context = {"slope_rad": 0.03, "start_lean_rad": 0.1}
    envs = gym.make_vec(
        "mmrl_envs:mmrl/Toddler-v0", num_envs=1, context=context, render_mode="rgb_array", width=240, height=320
    )
    envs.reset(seed=0)
    shown: list[NDArray[np.uint8]] = []
    for step in range(75 + frames * every):
        envs.step(np.zeros((1, 4), np.float32))
        if step >= 75 and step % every == 0:
            frame: Any = envs.render()
            shown.append(frame[0])
    envs.close()
    return np.concatenate(shown[:frames], axis=1)


def main() -> None:
    """Searches or draws if asked to, else prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search", type=int, default=0, help="mutations to try")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each walk in the table")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--picture", help="file for a strip of frames, instead of the table")
    args = parser.parse_args()
    if args.picture:
        return Image.fromarray(strip()).save(args.picture)
    build = search(Build(), args.search, args.seed) if args.search else Build()
    Console().print(build)
    Console().print(table(build, args.seconds))


if __name__ == "__main__":
    main()
