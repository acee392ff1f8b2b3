"""A recording for rerun, `mmrl watch RUN --rrd FILE`: the scene, senses, poses, actions and values on one clock.

    scene                 the film's picture of it, JPEG
    bodies/NAME           the bodies of a simulated scene in space, and the places of the robot that sensors sit at
    senses/NAME           pictures as they are, without loss; depth in metres
    senses/NAME/UNIT      numbers that share a unit, at the rate of the sense
    action, probability, value, reward, return, figures/NAME, events

The episodes follow each other on the timeline "time", in seconds.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmrl.modality import Modality
from mmrl_agents.records.files import write_atomically
from mmrl_agents.watching.decisions import StateCritic
from mmrl_agents.watching.pictures import is_shown_as_picture, picture_of
from mmrl_agents.watching.traces import Component, components_of, new_readings
from mmrl_agents.watching.viewing.bodies import BodyShape, SceneBodies, bodies_of
from mmrl_agents.watching.viewing.moments import Moment, WatchedWorld, scene_of

CLOCK = "time"
"""The timeline."""
APPLICATION = "mmrl"
_AXES_M = 0.05


def record_for_rerun(world: WatchedWorld, path: Path, console: Console) -> None:
    """Play the episodes into a file that appears once it is complete.

    Raises ImportError without rerun, and OSError where the disk is full: the file is ours, since rerun's own says so in
    its log alone.
    """
    sink = _RerunSink(world)
    for episode in track(range(world.episodes), "episodes", console=console, disable=not console.is_terminal):
        for now in world.play(episode):
            sink.add(now)
    coded = sink.coded()
    write_atomically(path, lambda file: file.write(coded))


class _RerunSink:
    """The recording, which grows instant by instant."""

    def __init__(self, world: WatchedWorld) -> None:
        self._rerun = _rerun()
        self._world, self._critic, self._bodies = world, StateCritic(world.trained), bodies_of(world.env)
        self._poses: NDArray[Any] | None = None
        self._waiting: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
        self._begins_s = self._now_s = 0.0
        self._parts = {
            name: components_of(sense, most=len(sense.units))
            for name, sense in world.senses.items()
            if not is_shown_as_picture(sense)
        }
        self._to = self._rerun.RecordingStream(APPLICATION)
        self._bytes = self._to.binary_stream()
        self._to.set_log_time_enabled(False)
        self._to.set_log_tick_enabled(False)
        self._to.send_recording_name(f"{world.trained.env_id}, {world.config.run}")
        self._to.send_blueprint(_arrangement(world, self._parts))
        self._name_the_lines()

    def coded(self) -> bytes:
        """The whole file; rerun gives it at once or not at all, so that it lies in memory until then."""
        coded: bytes = self._bytes.read()
        self._to.disconnect()
        return coded

    def add(self, now: Moment) -> None:
        """All of one instant."""
        if now.step == 0 and now.episode:
            self._begins_s = self._now_s + 1 / self._world.control_hz
        self._now_s = self._begins_s + now.step / self._world.control_hz
        self._to.set_time(CLOCK, duration=self._now_s)
        self._log("scene", self._picture(scene_of(self._world.env), "jpeg"))
        self._add_senses(now)
        self._add_decision(now)
        self._add_outcome(now)
        if self._bodies is not None:
            self._add_bodies(self._bodies)
        if now.action is None:
            self._send_readings()

    def _add_senses(self, now: Moment) -> None:
        for name, sense in self._world.senses.items():
            if name in self._world.config.without:
                continue
            observed = now.observation[name][0]
            if name not in self._parts:
                self._log(_path("senses", name), self._seen(sense, observed))
                continue
            ages_s, readings = new_readings(sense, observed, self._world.control_hz, first=now.step == 0)
            for part in self._parts[name]:
                waiting = self._waiting.setdefault(_place(name, part), [])
                waiting.append((self._now_s - ages_s, readings[:, list(part.columns)]))

    def _add_decision(self, now: Moment) -> None:
        value = self._critic.value(now.observation, now.info)
        self._number("value", now.decision.value if value is None else value)
        if now.action is not None:
            self._number("action", now.action[0])
        if now.decision.probabilities is not None:
            self._number("probability", now.decision.probabilities)

    def _add_outcome(self, now: Moment) -> None:
        self._number("reward", now.reward)
        self._number("return", now.total)
        for figure in self._world.figures:
            self._number(_path("figures", figure.name), now.info.get(figure.name))
        if now.step == 0:
            context = now.info.get("context", {})
            self._event(f"episode {now.episode + 1} begins{f' with {context}' if context else ''}")
        if now.action is None:
            ending = {None: "", True: ": success", False: ": no success"}[now.success]
            self._event(f"episode {now.episode + 1} {'ends' if now.over else 'is cut'}{ending}")

    def _add_bodies(self, bodies: SceneBodies) -> None:
        if bodies.update():
            self._poses = None
            self._log("bodies", self._rerun.Clear(recursive=True))
            for mount in bodies.mounts:
                self._log(_path("mounts", mount), self._rerun.TransformAxes3D(_AXES_M), static=True)
            for shape in bodies.shapes():
                self._log(_path("bodies", bodies.names[shape.body], shape.name), self._shape(shape))
        poses, before = bodies.poses, self._poses
        for number, name in enumerate(bodies.names):
            if before is None or not np.array_equal(poses[number], before[number]):
                place, turned = poses[number, :3], np.roll(poses[number, 3:], -1)  # rerun has the w last
                self._log(_path("bodies", name), self._rerun.Transform3D(translation=place, quaternion=turned))
        self._poses = poses
        for mount, site in bodies.mounts.items():
            place, matrix = bodies.pose_of_site(site)
            self._log(_path("mounts", mount), self._rerun.Transform3D(translation=place, mat3x3=matrix))

    def _shape(self, shape: BodyShape) -> Any:
        rerun, size = self._rerun, shape.size
        at: dict[str, Any] = {"quaternions": [np.roll(shape.turned, -1)], "colors": [shape.colour]}
        full = {"fill_mode": "solid"}
        if shape.kind == "box":
            return rerun.Boxes3D(half_sizes=[size], centers=[shape.place], **at, **full)
        if shape.kind == "cylinder":
            return rerun.Cylinders3D(lengths=[2 * size[1]], radii=[size[0]], centers=[shape.place], **at, **full)
        if shape.kind == "capsule":  # which rerun begins at one end, where MuJoCo has it around its centre
            begin = shape.place - _axis(shape.turned) * size[1]
            return rerun.Capsules3D(lengths=[2 * size[1]], radii=[size[0]], translations=[begin], **at, **full)
        if shape.vertices is not None:
            vertices = np.einsum("ij,vj->vi", _matrix(shape.turned), shape.vertices) + shape.place
            return rerun.Mesh3D(vertex_positions=vertices, triangle_indices=shape.faces, albedo_factor=shape.colour)
        radii = size if shape.kind == "ellipsoid" else np.full(3, size[0])
        return rerun.Ellipsoids3D(half_sizes=[radii], centers=[shape.place], **at, **full)

    def _seen(self, sense: Modality, observed: NDArray[Any]) -> Any:
        newest = observed if sense.history is None else observed[-1]
        if set(sense.units) == {"m"} and newest.ndim == 3 and newest.shape[-1] == 1:
            return self._rerun.DepthImage(newest[..., 0], meter=1.0)
        pixels = picture_of(sense, observed, plugged=True).pixels
        assert pixels is not None
        return self._picture(pixels, "png")

    def _picture(self, pixels: NDArray[Any], form: str) -> Any:
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(stream, format=form)
        return self._rerun.EncodedImage(contents=stream.getvalue(), media_type=f"image/{form}")

    def _name_the_lines(self) -> None:
        for name, parts in self._parts.items():
            for part in parts:
                if part.labels:
                    self._log(_place(name, part), self._rerun.SeriesLines(names=part.labels), static=True)
        if self._world.actions:
            self._log("probability", self._rerun.SeriesLines(names=self._world.actions), static=True)

    def _number(self, place: str, number: Any) -> None:
        if number is not None:
            self._log(place, self._rerun.Scalars(np.asarray(number, np.float64)))

    def _send_readings(self) -> None:
        """Those of a whole episode at once: each piece that is sent by itself takes kilobytes."""
        for place, pieces in self._waiting.items():
            times_s, values = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
            clock = self._rerun.TimeColumn(CLOCK, duration=times_s)
            self._to.send_columns(place, indexes=[clock], columns=self._rerun.Scalars.columns(scalars=values))
        self._waiting.clear()

    def _event(self, words: str) -> None:
        self._log("events", self._rerun.TextLog(words))

    def _log(self, place: str, entity: Any, static: bool = False) -> None:
        self._to.log(place, entity, static=static)


def _arrangement(world: WatchedWorld, parts: Mapping[str, tuple[Component, ...]]) -> Any:
    """The views that rerun opens with: the scene left, what was sensed and decided right."""
    views = import_module("rerun.blueprint")
    pictures = [
        views.Spatial2DView(origin=_path("senses", name), name=name) for name in world.senses if name not in parts
    ]
    lines = [
        views.TimeSeriesView(origin=_place(name, part), name=part.title)
        for name, several in parts.items()
        if name not in world.config.without
        for part in several
    ]
    decided = [views.TimeSeriesView(origin=name, name=name) for name in ("action", "value", "reward")]
    scene = views.Tabs(
        views.Spatial2DView(origin="scene", name="scene"),
        views.Spatial3DView(origin="/", contents=["bodies/**", "mounts/**"], name="bodies"),
    )
    return views.Blueprint(
        views.Horizontal(
            views.Vertical(scene, views.TextLogView(origin="events", name="events"), row_shares=[4, 1]),
            views.Grid(*pictures, *lines, *decided),
        ),
        views.TimePanel(state="collapsed"),
    )


def _place(sense: str, part: Component) -> str:
    return _path("senses", sense, part.unit or "number")


def _path(*parts: str) -> str:
    """Rerun's way to write a path whose parts may have spaces and strokes in them."""
    return "/".join(_rerun().escape_entity_path_part(part) for part in parts)


def _matrix(turned: NDArray[Any]) -> NDArray[Any]:
    w, x, y, z = turned
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _axis(turned: NDArray[Any]) -> NDArray[Any]:
    """The z axis of a shape in the frame of its body, (3,)."""
    axis: NDArray[Any] = _matrix(turned)[:, 2]
    return axis


def _rerun() -> Any:
    try:
        return import_module("rerun")
    except ImportError as error:
        raise ImportError("a recording for rerun needs rerun-sdk: pip install 'mmrl[rerun]'") from error
