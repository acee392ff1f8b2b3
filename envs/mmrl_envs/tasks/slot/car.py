"""A slot car filmed from above: go round as fast as the slot holds, driving by pictures alone.

The task of Lange, Riedmiller and Voigtlaender, "Autonomous reinforcement learning on raw visual input data in a real
world application" (IJCNN 2012): a camera of 52 x 80 grey pixels over a Carrera track, a voltage to choose, and a crash
where the car is too fast. 15 s from a standstill anywhere on the track; leaving the slot ends the episode.

Letters: N = worlds, n = those being reset, S = physics steps per control step, D = physics steps of the oldest picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.context import Choice, Parameter
from mmrl_envs.physics.engines import DEFAULT_ENGINE
from mmrl_envs.physics.world import World
from mmrl_envs.robots.car import Car, Levels, Throttle
from mmrl_envs.robots.slot_world import GRIP, SLOT, Slot, Slots, SlotWorld
from mmrl_envs.scenes.groups import TABLE_GROUP
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.task.weights import RewardWeights, weights_with
from mmrl_envs.tasks.slot.pictures import HEIGHT, WIDTH, Pictures, TrackCamera, as_grey, draw_cars, empty_track, mirror
from mmrl_envs.tasks.slot.tracks import BOARD_M, TIGHTEST_M, Corners, known_tracks, own_track

FLYING_AFTER_S = 5.0
"""Seconds of an episode before its mean speed counts."""
GOOD_SHARE = 0.95
"""Mean speed, as a share of that of the optimal lap, that is success."""
USUAL_SPEED = 2.5
"""Speed in m/s that is rewarded with 0.1 a step: one number for all tracks, so that no reward knows an optimum."""
LATEST_S = 0.1
"""Greatest age of a picture in seconds."""
AHEAD_M = np.arange(9) * 0.1
MIRRORED = ("no", "sideways", "upside_down", "both")
"""How pictures may be mirrored: a car on a mirrored track moves alike, so that one track is four to see."""
_OTHER_WAY = (1, 2)
"""Those that turn left bends into right ones."""
BOXES = 128
"""Boxes of which a spectator's slot is made."""


@dataclass(frozen=True)
class LapReward(RewardWeights):
    """Weights of the terms of the reward."""

    progress: float = 0.1
    """Of a step at `USUAL_SPEED`."""
    crash: float = -0.5
    """Of leaving the slot."""


class SlotCar(Task):
    """Laps of a track.

    Args:
        reward_weights: those weights that differ from the usual ones, by the names of `LapReward`.
        levels: voltages to choose from, as shares of the full one; unset, the action is any voltage.
        tracks: corners of further tracks by name, in metres from the lower left corner of a picture of 2.4 x 1.56 m.

    Raises:
        ValueError: on a track that leaves the picture, bends too tightly or crosses itself.
    """

    privileged_size = 5 + len(AHEAD_M)  # phase (2), speed, swing, yaw rate, curvature ahead
    senses = (TrackCamera(),)
    fields = ("pictures",)
    reward_terms = ("progress", "crash")
    figures = (
        Figure(
            "share_of_optimum",
            "",
            "last",
            "high",
            "Mean speed after 5 s as a share of that of the optimal lap, 0 where the car has left its slot.",
            score=True,
        ),
        Figure("lap_time", "s", "last", "low", "Time of the newest flying lap, infinite before there is one."),
        Figure("laps", "", "last", "high", "Laps so far."),
        Figure("times_off", "", "sum", "low", "1 where the car has left its slot, else 0.", event=True),
    )

    def __init__(
        self,
        *,
        reward_weights: Mapping[str, float] | None = None,
        levels: Sequence[float] | None = None,
        tracks: Mapping[str, Corners] = MappingProxyType({}),
    ) -> None:
        self._weights = weights_with(LapReward, reward_weights)
        self.robot = Car(Throttle() if levels is None else Levels(tuple(levels)))
        self.motion = self.robot.motion
        own = [own_track(name, corners, self.motion) for name, corners in tracks.items()]
        self.tracks = (*known_tracks().values(), *own)
        """The tracks there are, in the order of the variants of the scene."""
        self._drawn_tracks: dict[int, FloatArray] = {}
        self.slots = Slots([track.slot for track in self.tracks])
        self._best_speed = np.array([track.best_speed for track in self.tracks])
        names = tuple(track.name for track in self.tracks)
        self.parameters = (
            Choice("track", "oval", names, "the track"),
            Parameter("grip", (0.97, 1.03), 0.5, 1.5, "grip of the tyres as a share of the usual one"),
            Parameter("start_share", (0.0, 1.0), 0.0, 1.0, "place on the track at the start, as a share of its length"),
            Parameter("picture_gain", (0.9, 1.1), 0.2, 2.0, "brightness of the pictures as a share of the usual one"),
            Parameter("latency_s", 0.04, 0.0, LATEST_S, "age of the newest picture in seconds"),
            Choice("mirrored", "no", MIRRORED, "whether pictures are those of the mirrored track", group="mirrors"),
        )

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The picture of each track."""
        return [self._scene(track.slot, physics_hz) for track in self.tracks]

    def _scene(self, slot: Slot, physics_hz: int) -> mujoco.MjSpec:
        """A board, the slot as a chain of boxes, a lamp, the spectator's camera and the car."""
        spec = mujoco.MjSpec()
        spec.option.timestep = 1.0 / physics_hz
        spec.compiler.degree = False
        world, (x, y) = spec.worldbody, np.array(BOARD_M) / 2
        world.add_light(pos=[x, y, 3], dir=[0, 0, -1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
        world.add_camera(name="scene_camera", pos=[x, y, 3.6], fovy=40)
        plain = {"type": mujoco.mjtGeom.mjGEOM_BOX, "group": TABLE_GROUP, "contype": 0, "conaffinity": 0}
        world.add_geom(size=[x, y, 0.01], pos=[x, y, -0.02], rgba=(0.35, 0.42, 0.38, 1), **plain)
        for i in range(0, len(slot.points), len(slot.points) // BOXES):
            half = slot.heading[i] / 2
            size, quat = [0.56 * slot.length / BOXES, 0.01, 0.001], [np.cos(half), 0, 0, np.sin(half)]
            world.add_geom(size=size, pos=[*slot.points[i], -0.008], quat=quat, rgba=(0.8, 0.8, 0.8, 1), **plain)
        self.robot.install(spec)
        return spec

    def make_world(
        self, models: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int, num_threads: int, engine: str
    ) -> World:
        if engine != DEFAULT_ENGINE:
            raise ValueError(
                f"a slot car moves by its own equations: leave engine at {DEFAULT_ENGINE!r}, got {engine!r}"
            )
        return SlotWorld(self.slots, self.motion, models, num_worlds, substeps=substeps)

    def attach(self, world: World) -> None:
        super().attach(world)
        n = world.num_worlds
        self._control_s = world.substeps / world.physics_hz
        self._begun_at, self._flying_from, self._place, self._time, self._crossed = (np.zeros(n) for _ in range(5))
        self._lap_time, self._gain, self._age = np.full(n, np.inf), np.ones(n), np.zeros(n, np.intp)
        self._track, self._mirrored = np.zeros(n, np.intp), np.zeros(n, np.intp)
        self._past = np.zeros((n, round(LATEST_S * world.physics_hz) + 1, 4))  # (N, D + 1, 4), oldest first
        self._empty: Pictures = np.zeros((n, HEIGHT, WIDTH), np.uint8)
        self._pictures: Pictures = np.zeros((n, HEIGHT, WIDTH, 2), np.uint8)

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        track = context["track"].astype(np.intp)
        place = context["start_share"] * self.slots.length[track]
        state = np.zeros((len(worlds), 4))
        state[:, 0] = place
        self.world.choose(worlds, track)
        self.world.write(SLOT, worlds, state)
        self.world.write(GRIP, worlds, context["grip"][:, None])
        self._track[worlds], self._past[worlds] = track, state[:, None]
        self._begun_at[worlds] = self._flying_from[worlds] = self._place[worlds] = place
        self._time[worlds], self._crossed[worlds], self._lap_time[worlds] = 0.0, np.nan, np.inf
        self._age[worlds] = np.rint(context["latency_s"] * self.world.physics_hz)
        self._gain[worlds] = context["picture_gain"]
        self._mirrored[worlds] = context["mirrored"]
        levels = np.stack([self._levels(number) for number in track.tolist()])
        self._empty[worlds] = as_grey(levels * context["picture_gain"][:, None, None])
        self._pictures[worlds] = self._drawn(worlds, state)[..., None]
        return Start(np.zeros((len(worlds), 3)), figures={"lap_time": np.full(len(worlds), np.inf)})

    def _levels(self, track: int) -> FloatArray:
        """Grey levels of a track without cars, (52, 80); drawn once."""
        if track not in self._drawn_tracks:
            self._drawn_tracks[track] = empty_track(self.tracks[track].slot)
        return self._drawn_tracks[track]

    def assess(self) -> Outcome:
        states = self.world.recorded(SLOT)
        place, every = states[:, -1, 0], np.arange(len(states))
        self._time += self._control_s
        off: BoolArray = np.abs(states[:, :, 2]).max(axis=1) > self.motion.most_swing_rad
        self._past = np.concatenate([self._past, states], axis=1)[:, -self._past.shape[1] :]
        self._pictures[..., 0] = self._pictures[..., 1]
        self._pictures[..., 1] = self._drawn(every, self._past[every, -1 - self._age])
        share = np.where(off, 0.0, self._share(place))
        progress = self._weights.progress * (place - self._place) / (USUAL_SPEED * self._control_s)
        crash = np.where(off, self._weights.crash, 0.0)
        figures = {
            "share_of_optimum": share,
            "lap_time": self._timed(place),
            "laps": self._lap(place),
            "times_off": off.astype(np.float64),
        }
        self._place[:] = place
        return Outcome(
            progress + crash, ~off & (share >= GOOD_SHARE), off, figures, {"progress": progress, "crash": crash}
        )

    def _share(self, place: FloatArray) -> FloatArray:
        """Mean speed since the flying start as a share of the optimal lap's, 0 before there is one, (N,)."""
        starting = self._time <= FLYING_AFTER_S + 1e-9
        self._flying_from = np.where(starting, place, self._flying_from)
        flying_s = np.maximum(self._time - FLYING_AFTER_S, self._control_s)
        return np.where(starting, 0.0, (place - self._flying_from) / flying_s / self._best_speed[self._track])

    def _lap(self, place: FloatArray) -> FloatArray:
        """Whole laps driven by cars at places (N,)."""
        laps: FloatArray = np.floor((place - self._begun_at) / self.slots.length[self._track])
        return laps

    def _timed(self, place: FloatArray) -> FloatArray:
        """Times of the newest flying laps, (N,): from line to line, the line being where the episode began."""
        lap, length = self._lap(place), self.slots.length[self._track]
        crosses, beyond = lap > self._lap(self._place), place - self._begun_at - lap * length
        speed = np.maximum((place - self._place) / self._control_s, 1e-9)
        now = self._time - beyond / speed
        flying = crosses & np.isfinite(self._crossed)  # the first crossing ends a lap from a standstill
        self._lap_time = np.where(flying, now - self._crossed, self._lap_time)
        self._crossed = np.where(crosses, now, self._crossed)
        return self._lap_time

    def _drawn(self, worlds: IntArray, states: FloatArray) -> Pictures:
        """Pictures of cars in states (n, 4), (n, 52, 80)."""
        s, _, b, _ = states.T
        entries = self.slots.entries(self._track[worlds], s)
        pin, yaw = self.slots.points[entries], self.slots.heading[entries] + b
        pictures: Pictures = self._empty[worlds]
        draw_cars(pictures, pin, yaw, self._gain[worlds], self.motion)
        mirror(pictures, *divmod(self._mirrored[worlds], 2))
        return pictures

    def privileged(self) -> NDArray[np.float32]:
        s, v, b, r = self.world.current(SLOT).T
        phase = 2 * np.pi * s / self.slots.length[self._track]
        ahead = self.slots.curvature[self.slots.entries(self._track[:, None], s[:, None] + AHEAD_M)]
        turned = np.where(np.isin(self._mirrored, _OTHER_WAY), -1.0, 1.0)
        columns = [
            np.sin(phase),
            np.cos(phase),
            v / 3.0,
            turned * b,
            turned * r / 5.0,
            *(turned * ahead.T * TIGHTEST_M),
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def field(self, name: str) -> NDArray[Any]:
        return self._pictures if name == "pictures" else super().field(name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        courses = ("begun_at", "flying_from", "place", "time", "crossed", "lap_time", "track", "past")
        return {name: vars(self)[f"_{name}"] for name in (*courses, "gain", "age", "mirrored", "empty", "pictures")}
