"""An episode that was played, played again before a camera: its film, and what was sensed, done and expected meanwhile.

The actions are those of the first time, so that physics and readings are the same. T is the number of steps shown.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mmrl.arrays import FloatArray
from mmrl.evaluation.episodes import LONGEST_EPISODE
from mmrl.modality import Modality
from mmrl.modality.foreign import flatten_observation
from mmrl_agents.evaluation.evaluate import reset_options
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import TrainedPolicy
from mmrl_agents.watching.decisions import Decision, Introspection, StateCritic
from mmrl_agents.watching.frames import Picture
from mmrl_agents.watching.panels import COLOURS, INK, LABEL, PALE, PAPER, Pixels, Trace, font, nice_bounds, shortened
from mmrl_agents.watching.pictures import is_shown_as_picture, picture_of
from mmrl_agents.watching.report.playing import PlayedEpisodes
from mmrl_agents.watching.traces import DecisionRecorder, TraceRecorder
from mmrl_agents.watching.video import VP9, VideoWriter
from mmrl_agents.watching.viewing.moments import actions_of, declared_senses, scene_of

SCENE, SIDE = 360, 180
"""Pixels of the scene, and most of a sense beside it."""
_CODED = "video.mp4"


@dataclass(frozen=True, eq=False)
class FilmedEpisode:
    """An episode to look at."""

    seed: int
    """It begins as a world that is reset with this seed."""
    shown: int
    """T."""
    length: int
    """Steps of the whole episode."""
    control_hz: float
    """Steps per second."""
    film: bytes
    """The video, a frame of every instant from the reset on, T + 1."""
    first: bytes
    """The first frame as JPEG."""
    still: bytes
    """The last frame as JPEG."""
    panes: tuple[Trace, ...]
    """Senses, actions, values and rewards over the whole time, which is in seconds from the end."""
    at_steps: tuple[FloatArray, ...]
    """For each pane the newest values at every instant, (T + 1, d)."""


def film_episode(
    trained: TrainedPolicy, played: PlayedEpisodes, number: int, max_seconds: float, folder: Path
) -> FilmedEpisode:
    """Show episode `number`, at most so long; `folder` takes the film while it is made.

    Raises ValueError for worlds that are not rendered, and where the episode goes another way than the first time.
    """
    if VP9.name not in av.codecs_available:
        raise ValueError(f"FFmpeg lacks the encoder {VP9.name}, and browsers play no other film that it can make")
    with closing(trained.worlds.make_single(render_mode="rgb_array")) as world:
        take = _Take(world, trained, played, number, max_seconds)
        frames = take.frames()
        first = frame = next(frames)
        path = folder / _CODED
        with VideoWriter(path, take.control_hz, (frame.shape[1], frame.shape[0])) as video:
            video.add(frame)
            for frame in frames:
                video.add(frame)
        film = path.read_bytes()
        path.unlink()
    panes = tuple(take.panes())
    return FilmedEpisode(
        seed=int(played.seeds[number]),
        shown=take.steps,
        length=int(played.lengths[number]),
        control_hz=take.control_hz,
        film=film,
        first=_jpeg(first),
        still=_jpeg(frame),
        panes=panes,
        at_steps=tuple(_at_steps(pane, take.steps, take.control_hz) for pane in panes),
    )


class _Take:
    """The episode while it is played again."""

    def __init__(
        self, world: gym.Env[Any, Any], trained: TrainedPolicy, played: PlayedEpisodes, number: int, max_seconds: float
    ) -> None:
        self.control_hz = float(world.metadata.get("render_fps") or 30)
        self.steps = 0
        self._world, self._seed = world, int(played.seeds[number])
        self._options = reset_options(trained, {}, world)
        self._actions = played.actions[number][: max(1, round(max_seconds * self.control_hz))]
        length = int(played.lengths[number])
        self._ends_after = math.inf if length == LONGEST_EPISODE else length  # which is cut, not over
        self._senses = declared_senses(world)
        span = (len(self._actions) + 1) / self.control_hz
        self._recorders = [
            TraceRecorder(sense, self.control_hz, True, span)
            for sense in self._senses.values()
            if not is_shown_as_picture(sense)
        ]
        self._decisions = DecisionRecorder(actions_of(world), self.control_hz, span)
        self._introspection = Introspection(
            trained, TorchPolicy(trained.policy, world.action_space), world.action_space, {}
        )
        self._critic = StateCritic(trained)
        self._rewards = [np.nan]

    def frames(self) -> Iterator[Pixels]:
        """A frame of every instant."""
        raw, info = self._world.reset(seed=self._seed, options=self._options)
        for action in self._actions:
            yield self._seen(raw, info, action)
            raw, reward, terminated, truncated, info = self._world.step(action)
            self.steps += 1
            self._rewards.append(float(reward))
            if bool(terminated or truncated) != (self._ends_after <= self.steps):
                raise ValueError(
                    f"the episode with seed {self._seed} went another way when it was played again: its environment "
                    "draws from elsewhere than the seed of the reset"
                )
        yield self._seen(raw, info, None)

    def panes(self) -> Iterator[Trace]:
        """Senses, then actions, decisions and rewards."""
        for recorder in self._recorders:
            yield from recorder.traces()
        times = (np.arange(self.steps + 1) - self.steps) / self.control_hz
        if self._actions[0].ndim:
            yield _pane("action", np.pad(self._actions, ((0, 1), (0, 0)), constant_values=np.nan), times)
        yield from self._decisions.traces()
        yield _pane("reward", np.array(self._rewards)[:, None], times)

    def _seen(self, raw: Any, info: Mapping[str, Any], action: NDArray[Any] | None) -> Pixels:
        observation = {name: np.asarray(reading)[None] for name, reading in flatten_observation(raw).items()}
        now_s = self.steps / self.control_hz
        decision = self._introspection.decision(observation, None, None if action is None else action[None])
        value = self._critic.value(observation, info)
        self._decisions.add(
            Decision(decision.action, decision.probabilities, decision.value if value is None else value), now_s
        )
        for recorder in self._recorders:
            recorder.add(observation[recorder.sense.name][0], now_s)
        return _frame(scene_of(self._world), _pictures(self._senses, observation))


def _pane(title: str, values: NDArray[Any], times: FloatArray) -> Trace:
    """Numbers of every instant (T + 1, d), those with colours of their own."""
    shown = values[:, : len(COLOURS)].astype(np.float64)
    finite = shown[np.isfinite(shown)]
    labels = tuple(map(str, range(shown.shape[1]))) if shown.shape[1] > 1 else ()
    named = title if shown.shape == values.shape else f"{title} (first {len(COLOURS)} of {values.shape[1]})"
    bounds = nice_bounds(float(finite.min(initial=0.0)), float(finite.max(initial=0.0)))
    return Trace(named, labels, times, shown, bounds, -float(times[0]))


def _at_steps(pane: Trace, steps: int, control_hz: float) -> FloatArray:
    """The newest values of a pane at every instant (T + 1, d)."""
    instants = (np.arange(steps + 1) - steps) / control_hz
    newest = np.searchsorted(pane.times, instants + 1e-9, side="right") - 1
    values: FloatArray = pane.values[np.clip(newest, 0, None)]
    return values


def _pictures(senses: Mapping[str, Modality], observation: Mapping[str, NDArray[Any]]) -> list[Picture]:
    return [
        picture_of(sense, observation[name][0], True) for name, sense in senses.items() if is_shown_as_picture(sense)
    ]


def _frame(scene: Pixels, pictures: Sequence[Picture]) -> Pixels:
    """The scene, and in a column beside it the pictures under their names."""
    canvas = Image.new("RGB", (SCENE + (SIDE if pictures else 0), SCENE), PAPER)
    image = _fitting(scene[..., :3], SCENE)
    canvas.paste(image, ((SCENE - image.width) // 2, (SCENE - image.height) // 2))
    each = SCENE // max(1, len(pictures))
    for index, picture in enumerate(pictures):
        _draw(canvas, picture, (SCENE + 4, index * each), min(SIDE - 8, each - LABEL))
    return np.asarray(canvas)


def _draw(canvas: Image.Image, picture: Picture, corner: tuple[int, int], size: int) -> None:
    draw = ImageDraw.Draw(canvas)
    draw.text((corner[0], corner[1] + 2), shortened(picture.title, SIDE - 8, 12), INK, font(12))
    if picture.pixels is None:
        draw.text((corner[0], corner[1] + LABEL), "nothing", PALE, font(12))
        return
    canvas.paste(_fitting(picture.pixels, size), (corner[0], corner[1] + LABEL))


def _fitting(pixels: Pixels, size: int) -> Image.Image:
    """An image whose longer side is `size`; a larger one keeps its pixels as they are."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    scale = size / max(image.size)
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.resize((round(image.width * scale), round(image.height * scale)), how)


def _jpeg(frame: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, format="jpeg", quality=80)
    return stream.getvalue()


def smaller(film: bytes, most: int) -> bytes | None:
    """A film of at most so many bytes: as it is, or coded more coarsely; None where that does not do.

    A constant rate factor of 36 takes a third of the bytes of that of `VideoWriter`, 48 a tenth.
    """
    for crf in (None, 36, 48):
        coded = film if crf is None else _coded_again(film, crf)
        if len(coded) <= most:
            return coded
    return None


def _coded_again(film: bytes, crf: int) -> bytes:
    target = io.BytesIO()
    with av.open(io.BytesIO(film), "r") as source, av.open(target, "w", format="mp4") as container:
        first = source.streams.video[0]
        added = container.add_stream(VP9.name, rate=first.average_rate, options={**VP9.options, "crf": str(crf)})
        stream = cast(av.VideoStream, added)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, VP9.pixels
        for frame in source.decode(first):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()
