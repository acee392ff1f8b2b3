"""A slot car filmed from above: go round as fast as the slot holds, steering by pictures alone.

The task of Lange, Riedmiller and Voigtlaender, "Autonomous reinforcement learning on raw visual input data in a real
world application" (IJCNN 2012): a camera of 52 x 80 grey pixels over a Carrera track, a voltage to choose, and a crash
where the car is too fast. 15 s from a standstill anywhere on the track; leaving the slot ends the episode.

Letters: N = worlds, n = those being reset, K = points of the track.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.modality import ImageConv, Modality
from mmrl.modality.noise import Gaussian
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.physics.engines import DEFAULT_ENGINE
from mmrl_envs.physics.world import World
from mmrl_envs.robots.car import GRIP, SLOT, Car, Levels, Motion, Slot, SlotWorld, Throttle
from mmrl_envs.scenes.groups import TABLE_GROUP
from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.task import Outcome, Start, Task

Curve = NDArray[np.complex128]
"""Points x + iy."""
TRACKS: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "oval": ((0, 0), (2, 0), (2.6, 0.8), (2, 1.6), (0, 1.6), (-0.6, 0.8)),
        "bean": ((0, 0), (1.2, 0.25), (2.4, 0), (2.8, 0.9), (2.2, 1.6), (0.2, 1.6), (-0.4, 0.9)),
        "pear": ((0, 0), (1, 0.3), (2, 0), (2.7, 0.5), (2.0, 1.0), (2.4, 1.6), (1.2, 1.3), (0.1, 1.7), (-0.5, 0.8)),
    }
)
"""Points through which the tracks go, before they are smoothed and scaled."""
HEIGHT, WIDTH = 52, 80
PIXEL_M = 0.03
"""Side of a pixel in metres."""
TIGHTEST_M = 0.20
"""Least radius of a bend in metres."""
POINTS = 1024
FLYING_AFTER_S = 5.0
"""Seconds of an episode before its mean speed counts."""
GOOD_SHARE = 0.9
"""Mean speed, as a share of the profile's, that is success. The profile is 3 to 7 % faster than any policy of 10
decisions a second."""
AHEAD_M = np.arange(9) * 0.1
_DELAY_S = 0.04
_ROAD, _CAR, _NOSE, _TABLE = 150.0, 60.0, 250.0, 110.0


class TrackCamera(Sensor):
    """The track from above in grey, uint8 (52, 80, 2): the picture before and the newest one, which is 40 ms old.

    Args:
        name: key in the observation.
        noise: standard deviation of a pixel in grey levels.
    """

    newest_only = True
    noise_unit = 4.0

    def __init__(self, name: str = "track_camera", *, noise: float = 4.0) -> None:
        self.modality = Modality(
            name,
            (HEIGHT, WIDTH, 2),
            rate_hz=10.0,
            dtype="uint8",
            labels=("before", "now"),
            noise=Gaussian(noise),
            encoder=ImageConv(),
        )

    def read(self, view: View) -> NDArray[Any]:
        return view.field("pictures")[:, None]


class SlotCar(Task):
    """Laps of a track.

    Args:
        track: its name.
        levels: voltages to choose from, as shares of the full one; unset, the action is any voltage.
    """

    privileged_size = 5 + len(AHEAD_M)  # phase (2), speed, swing, yaw rate, curvature ahead
    senses = (TrackCamera(),)
    fields = ("pictures",)
    reward_terms = ("progress", "crash")
    figures = (
        Figure("share_of_profile", "", "last", "high", "Mean speed as a share of the speed profile's.", score=True),
        Figure("laps", "", "last", "high", "Laps so far."),
        Figure("off_track", "", "last", "low", "1 where the car left the slot."),
    )
    parameters = (
        Parameter("grip", (0.97, 1.03), 0.5, 1.5, "grip of the tyres as a share of the usual one"),
        Parameter("start_share", (0.0, 1.0), 0.0, 1.0, "place on the track at the start, as a share of its length"),
        Parameter("picture_gain", (0.9, 1.1), 0.2, 2.0, "brightness of the pictures as a share of the usual one"),
    )

    def __init__(self, *, track: str = "oval", levels: Sequence[float] | None = None) -> None:
        if track not in TRACKS:
            raise ValueError(f"unknown track {track!r}; tracks are {sorted(TRACKS)}")
        self.robot = Car(Throttle() if levels is None else Levels(tuple(levels)))
        self.motion = self.robot.motion
        self.slot = slot_through(TRACKS[track])
        self.profile_speed = profile_speed(self.slot, self.motion)
        """Mean speed in m/s of a lap by the speed profile."""

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The picture: a board, the slot as a chain of boxes, a lamp, the spectator's camera and the car."""
        spec = mujoco.MjSpec()
        spec.option.timestep = 1.0 / physics_hz
        spec.compiler.degree = False
        world = spec.worldbody
        world.add_light(pos=[1.2, 0.8, 3], dir=[0, 0, -1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
        world.add_camera(name="scene_camera", pos=[1.2, 0.78, 3.6], fovy=40)
        plain = {"type": mujoco.mjtGeom.mjGEOM_BOX, "group": TABLE_GROUP, "contype": 0, "conaffinity": 0}
        world.add_geom(size=[1.2, 0.78, 0.01], pos=[1.2, 0.78, -0.02], rgba=(0.35, 0.42, 0.38, 1), **plain)
        for i in range(0, POINTS, 8):
            x, y = self.slot.points[i]
            half = self.slot.heading[i] / 2
            size, quat = [4.5 * self.slot.length / POINTS, 0.01, 0.001], [np.cos(half), 0, 0, np.sin(half)]
            world.add_geom(size=size, pos=[x, y, -0.008], quat=quat, rgba=(0.8, 0.8, 0.8, 1), **plain)
        self.robot.install(spec)
        return [spec]

    def make_world(
        self, models: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int, num_threads: int, engine: str
    ) -> World:
        if engine != DEFAULT_ENGINE:
            raise ValueError(
                f"a slot car moves by its own equations: leave engine at {DEFAULT_ENGINE!r}, got {engine!r}"
            )
        return SlotWorld(self.slot, self.motion, models, num_worlds, substeps=substeps)

    def attach(self, world: World) -> None:
        super().attach(world)
        n = world.num_worlds
        self._control_s = world.substeps / world.physics_hz
        self._delay = min(round(_DELAY_S * world.physics_hz), world.substeps - 1)
        self._begun_at, self._flying_from, self._place, self._time = (np.zeros(n) for _ in range(4))
        self._gain = np.ones(n)
        self._pictures = np.zeros((n, HEIGHT, WIDTH, 2), np.uint8)
        self._background = background(self.slot)

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        place = context["start_share"] * self.slot.length
        state = np.zeros((len(worlds), 4))
        state[:, 0] = place
        self.world.write(SLOT, worlds, state)
        self.world.write(GRIP, worlds, context["grip"][:, None])
        self._begun_at[worlds] = self._flying_from[worlds] = self._place[worlds] = place
        self._time[worlds], self._gain[worlds] = 0.0, context["picture_gain"]
        newest = self._drawn(worlds, state)
        self._pictures[worlds] = newest[..., None]
        return Start(np.zeros((len(worlds), 3)))

    def assess(self) -> Outcome:
        states = self.world.recorded(SLOT)
        place = states[:, -1, 0]
        self._time += self._control_s
        off: BoolArray = np.abs(states[:, :, 2]).max(axis=1) > self.motion.most_swing_rad
        starting = self._time <= FLYING_AFTER_S
        self._flying_from = np.where(starting, place, self._flying_from)
        self._pictures[..., 0] = self._pictures[..., 1]
        self._pictures[..., 1] = self._drawn(np.arange(len(place)), states[:, -1 - self._delay])
        flying_s = np.maximum(self._time - FLYING_AFTER_S, self._control_s)
        share = np.where(starting, 0.0, (place - self._flying_from) / flying_s / self.profile_speed)
        progress = 0.1 * (place - self._place) / (self.profile_speed * self._control_s)
        crash = np.where(off, -0.5, 0.0)
        laps = np.floor((place - self._begun_at) / self.slot.length)
        figures = {"share_of_profile": share, "laps": laps, "off_track": off.astype(np.float64)}
        success = ~off & (share >= GOOD_SHARE)
        self._place[:] = place
        return Outcome(progress + crash, success, off, figures, {"progress": progress, "crash": crash})

    def _drawn(self, worlds: IntArray, states: FloatArray) -> NDArray[np.uint8]:
        """Pictures of cars in states (n, 4), (n, 52, 80)."""
        s, _, b, _ = states.T
        yaw = self.slot.at(s, self.slot.heading) + b
        grey = draw_cars(self._background, self.slot.at(s, self.slot.points), yaw, self.motion)
        return np.clip(np.rint(grey * self._gain[worlds][:, None, None]), 0, 255).astype(np.uint8)

    def privileged(self) -> NDArray[np.float32]:
        s, v, b, r = self.world.current(SLOT).T
        phase = 2 * np.pi * s / self.slot.length
        ahead = self.slot.at(s[:, None] + AHEAD_M, self.slot.curvature)
        columns = [np.sin(phase), np.cos(phase), v / 3.0, b, r / 5.0, *(ahead.T * TIGHTEST_M)]
        return np.stack(columns, axis=1).astype(np.float32)

    def field(self, name: str) -> NDArray[Any]:
        return self._pictures if name == "pictures" else super().field(name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        names = ("begun_at", "flying_from", "place", "time", "gain", "pictures")
        return {name: vars(self)[f"_{name}"] for name in names}


@cache
def slot_through(corners: tuple[tuple[float, float], ...]) -> Slot:
    """A smooth closed curve near some points, its bends wide enough, scaled into the picture."""
    closed = np.array([*corners, corners[0]], np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    spline = CubicSpline(along, closed, bc_type="periodic")
    curve = _even(spline(np.linspace(0, along[-1], 8 * POINTS, endpoint=False)) @ np.array([1, 1j]))
    wave = np.fft.fftfreq(POINTS, 1.0 / POINTS)
    for blur in np.arange(0.0, 0.5, 0.01):  # of a Gaussian along the curve, radians of a lap
        slot = _slot_of(_scaled(_even(np.fft.ifft(np.fft.fft(curve) * np.exp(-0.5 * (wave * blur) ** 2)))))
        if np.abs(slot.curvature).max() <= 1.0 / TIGHTEST_M:
            return slot
    raise ValueError(f"no slot with bends of {TIGHTEST_M} m and more goes near {corners}")


def _even(curve: Curve) -> Curve:
    """`POINTS` points at equal distances along a closed curve x + iy."""
    closed = np.append(curve, curve[0])
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(closed)))])
    at = np.linspace(0.0, along[-1], POINTS, endpoint=False)
    even: Curve = np.interp(at, along, closed.real) + 1j * np.interp(at, along, closed.imag)
    return even


def _scaled(curve: Curve) -> Curve:
    """A curve that fits into the picture with a margin of 0.2 m, in metres from its lower left corner."""
    board = np.array([WIDTH, HEIGHT]) * PIXEL_M
    low = curve.real.min() + 1j * curve.imag.min()
    extent = np.array([np.ptp(curve.real), np.ptp(curve.imag)])
    scale = float(((board - 0.4) / extent).min())
    scaled: Curve = (curve - low) * scale + (board - extent * scale) @ np.array([0.5, 0.5j])
    return scaled


def _slot_of(curve: Curve) -> Slot:
    wave = 2j * np.pi * np.fft.fftfreq(POINTS)
    first, second = (np.fft.ifft(np.fft.fft(curve) * wave**order) for order in (1, 2))
    curvature = (first.conj() * second).imag / np.abs(first) ** 3
    points = np.stack([curve.real, curve.imag], axis=1)
    return Slot(points, np.unwrap(np.angle(first)), curvature, float(np.abs(first).sum()))


def profile_speed(slot: Slot, motion: Motion) -> float:
    """Mean speed in m/s of a lap by the textbook's speed profile: as fast as bends, motor and brake allow.

    Bends are taken at the speed at which the tyres just hold the swing; the motor accelerates from one to the next.
    """
    bend = motion.grip_n * motion.pin_to_axle / (motion.pin_to_centre * motion.mass)
    limit = np.minimum(np.sqrt(bend / np.maximum(np.abs(slot.curvature), 1e-6)), motion.top_speed)
    step = slot.length / POINTS
    speed = limit.copy()
    for i in range(2 * POINTS):  # forward: what the motor gives
        v = speed[i % POINTS]
        push = min(motion.stall_n * (1 - v / motion.top_speed), 0.9 * motion.grip_n) - motion.rolling_n
        nxt = (i + 1) % POINTS
        speed[nxt] = min(limit[nxt], speed[nxt], np.sqrt(v**2 + 2 * step * push / motion.mass))
    for i in range(2 * POINTS, 0, -1):  # backward: what the brake takes
        v = speed[i % POINTS]
        brake = min(motion.stall_n * v / motion.top_speed, 0.9 * motion.grip_n) + motion.rolling_n
        speed[(i - 1) % POINTS] = min(speed[(i - 1) % POINTS], np.sqrt(v**2 + 2 * step * brake / motion.mass))
    return slot.length / float((step / speed).sum())


def background(slot: Slot) -> FloatArray:
    """The track without a car in grey levels, (52, 80)."""
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    x, y = columns * PIXEL_M, (HEIGHT - rows) * PIXEL_M
    away = np.hypot(x[..., None] - slot.points[:, 0], y[..., None] - slot.points[:, 1]).min(axis=2) / PIXEL_M
    grey: FloatArray = _TABLE + (_ROAD - _TABLE) * np.clip(1.5 - away, 0.0, 1.0)
    return grey


_PATCH = np.arange(-4, 5)


def draw_cars(board: FloatArray, pin: FloatArray, yaw: FloatArray, motion: Motion) -> FloatArray:
    """Cars with their pins at (n, 2) metres, turned by (n,) radians, as anti-aliased rectangles, (n, 52, 80)."""
    forward = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    centre = (pin - forward * (motion.length / 2)) / PIXEL_M
    column, row = centre[:, 0], HEIGHT - centre[:, 1]
    columns = (np.floor(column).astype(np.intp)[:, None] + _PATCH)[:, None, :]
    rows = (np.floor(row).astype(np.intp)[:, None] + _PATCH)[:, :, None]
    right, up = columns + 0.5 - column[:, None, None], row[:, None, None] - rows - 0.5
    cosine, sine = forward.T[:, :, None, None]
    ahead, aside = cosine * right + sine * up, cosine * up - sine * right
    half_length, half_width = motion.length / 2 / PIXEL_M, motion.width / 2 / PIXEL_M
    covered = np.clip(half_length + 0.5 - np.abs(ahead), 0, 1) * np.clip(half_width + 0.5 - np.abs(aside), 0, 1)
    paint = np.where(ahead > half_length - 1.2, _NOSE, _CAR)
    pictures = np.tile(board, (len(pin), 1, 1))
    places = np.arange(len(pin))[:, None, None], rows.clip(0, HEIGHT - 1), columns.clip(0, WIDTH - 1)
    pictures[places] += covered * (paint - pictures[places])
    return pictures
