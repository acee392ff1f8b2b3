"""Atari games as worlds with one sense, an image, on the emulators of ale-py.

Two kinds of image. `AtariWorlds` gives what the literature plays from: the last four frames in grey, 84 x 84
(Mnih et al. 2015, "Human-level control through deep reinforcement learning"), or in another size and cut.
`PongWorlds` gives the previous and the newest frame of Pong as 80 x 80 black and white pixels, cropped to the field
(Karpathy 2016, "Deep Reinforcement Learning: Pong from Pixels").

The protocol, unless an argument says otherwise: every action is held for 4 frames (60 frames a second), no sticky
actions, up to 30 frames without action at the start, games to the end (Pong: 21 points), at most 108,000 frames.

Letters: N = worlds, n = a subset.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.modality import DifferenceMLP, EncoderSpec, ImageConv, Modality
from mmrl_envs.arguments import number, whole
from mmrl_envs.atari.console import SCREEN, decisions_per_second
from mmrl_envs.atari.emulators import SENSE, EmulatorWorlds, Game
from mmrl_envs.multimodal import SingleWorld

ENCODERS: Mapping[str, EncoderSpec] = MappingProxyType(
    {
        "dqn2013": ImageConv((16, 32), (8, 4), (4, 2), 256),
        "nature": ImageConv((32, 64, 64), (8, 4, 3), (4, 2, 1), 512),
        "difference": DifferenceMLP(200),
    }
)
"""Networks by name: of Mnih et al. 2013, "Playing Atari with Deep Reinforcement Learning", of Mnih et al. 2015, and of
Karpathy 2016."""


class AtariWorlds(EmulatorWorlds):
    """Any Atari game as images (H, W, 4): four frames in grey, the oldest first.

    Args:
        game: what ale-py calls the game, "breakout" say.
        num_envs: N.
        encoder: name of a network in `ENCODERS`, or an encoder spec.
        background: pixel value that the network reads as 0, with 64 read as 1; unset is the middle of the range.
        size: height and width in pixels that the screen of 210 x 160 is shrunk to.
        rows: first row of the shrunk screen that is kept and the one after the last; unset keeps all.
        kwargs: those of `EmulatorWorlds`.
    """

    def __init__(
        self,
        game: str,
        num_envs: int = 1,
        *,
        encoder: str | EncoderSpec = "nature",
        background: float | None = None,
        size: Sequence[int] = (84, 84),
        rows: Sequence[int] | None = None,
        frame_skip: int = 4,
        **kwargs: Any,
    ) -> None:
        height, width = _shrunk(size)
        self._rows = _kept(height, rows)
        modality = Modality(
            SENSE,
            (self._rows.stop - self._rows.start, width, 4),
            decisions_per_second(frame_skip),
            _encoder(encoder, background, 64.0),
            dtype="uint8",
        )
        screen = {"img_height": height, "img_width": width, "stack_num": 4}
        super().__init__(game, num_envs, modality, screen, frame_skip=frame_skip, **kwargs)

    def _begin(self, frames: NDArray[np.uint8], worlds: NDArray[np.intp]) -> NDArray[np.uint8]:
        return interleaved(frames[:, :, self._rows].swapaxes(0, 1))

    def _follow(self, frames: NDArray[np.uint8], worlds: slice) -> NDArray[np.uint8]:
        return interleaved(frames[:, :, self._rows].swapaxes(0, 1))


class PongWorlds(EmulatorWorlds):
    """Pong as images (80, 80, 2) of pixels 0 and 1: the previous frame, the newest one.

    The field without the score, every second pixel of it, 1 where something is drawn on the background. At the
    start of a game the previous frame equals the newest.

    Args:
        num_envs: N.
        actions: names of what the policy chooses from, of "NOOP", "RIGHT" (up), "LEFT" (down) and others.
        encoder: name of a network in `ENCODERS`, or an encoder spec.
        kwargs: those of `EmulatorWorlds`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        actions: Sequence[str] = ("NOOP", "RIGHT", "LEFT"),
        encoder: str | EncoderSpec = "dqn2013",
        frame_skip: int = 4,
        **kwargs: Any,
    ) -> None:
        modality = Modality(
            SENSE,
            (80, 80, 2),
            decisions_per_second(frame_skip),
            _encoder(encoder, 0.0, _DRAWN),
            low=0,
            high=1,
            dtype="uint8",
        )
        screen = {"img_height": SCREEN[0], "img_width": SCREEN[1], "stack_num": 1, "maxpool": False}
        super().__init__("pong", num_envs, modality, screen, actions=actions, frame_skip=frame_skip, **kwargs)
        self._newest = np.zeros((self.num_envs, 80, 80), np.uint8)

    def _begin(self, frames: NDArray[np.uint8], worlds: NDArray[np.intp]) -> NDArray[np.uint8]:
        pixels = field_of_pong(frames[:, 0])
        self._newest[worlds] = pixels
        return interleaved([pixels, pixels])

    def _follow(self, frames: NDArray[np.uint8], worlds: slice) -> NDArray[np.uint8]:
        newest = field_of_pong(frames[:, 0])
        images = interleaved([self._newest[worlds], newest])
        self._newest[worlds] = newest
        return images


def field_of_pong(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey frames (n, 210, 160) -> (n, 80, 80): 1 for paddles and ball, 0 for the background.

    Rows 34 to 193 lie between the walls; two greys are background there, 0 and 87, of a dark and a lit field.
    """
    # The lower byte of every two, since numpy compares whole rows far faster than every second pixel.
    field = np.ascontiguousarray(frames[:, 34:194:2]).view("<u2") & np.uint16(0xFF)
    pixels: NDArray[np.uint8] = ((field != 0) & (field != 87)).view(np.uint8)
    return pixels


def interleaved(channels: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """C images (n, H, W) -> (n, H, W, C); channel by channel this takes a fifth of the time of a transposed copy."""
    planes = list(channels)
    images = np.empty((*planes[0].shape, len(planes)), np.uint8)
    for channel, plane in enumerate(planes):
        images[..., channel] = plane
    return images


def _shrunk(size: Sequence[int]) -> tuple[int, int]:
    """Height and width that the screen is shrunk to."""
    if len(size) != 2:
        raise ValueError(f"size must be a height and a width, got {size}")
    return whole("size[0], the height,", size[0], 1, SCREEN[0]), whole("size[1], the width,", size[1], 1, SCREEN[1])


def _kept(height: int, rows: Sequence[int] | None) -> slice:
    """The rows of a shrunk screen that are kept."""
    if rows is None:
        return slice(0, height)
    if len(rows) != 2:
        raise ValueError(f"rows must be a first and a last of 0 to {height}, the height, got {rows}")
    first = whole("rows[0], the first row,", rows[0], 0, height - 1)
    return slice(first, whole("rows[1], the end,", rows[1], first + 1, height))


# Of 6,400 pixels few are drawn, the ball has a handful: with 1 read as 10 it is noticed sooner than with 1 read as 1.
_DRAWN = 0.1


def _encoder(encoder: str | EncoderSpec, zero: float | None, unit: float) -> EncoderSpec:
    """The network of that name, reading pixel value `zero` as 0; a spec is taken as it is."""
    if isinstance(encoder, EncoderSpec):
        return encoder
    if encoder not in ENCODERS:
        raise ValueError(f"unknown encoder {encoder!r}; encoders are {', '.join(ENCODERS)}, or give an EncoderSpec")
    spec = ENCODERS[encoder]
    if zero is None or not isinstance(spec, ImageConv):
        return spec
    number("background", zero)
    # as it is written: descriptions on record say 87, not 87.0
    return dataclasses.replace(spec, zero=zero, unit=unit)


def make_pong_vector(num_envs: int = 1, *, max_episode_steps: int | None = None, **kwargs: Any) -> PongWorlds:
    """`gym.make_vec("mmrl/Pong-v0", num_envs=...)`; keyword arguments of `PongWorlds`."""
    return PongWorlds(num_envs, **_limited(max_episode_steps, kwargs))


def make_pong(**kwargs: Any) -> SingleWorld:
    """`gym.make("mmrl/Pong-v0")`."""
    return Game(PongWorlds(1, autoreset=False, **kwargs))


def make_atari_vector(
    num_envs: int = 1, *, game: str, max_episode_steps: int | None = None, **kwargs: Any
) -> AtariWorlds:
    """`gym.make_vec("mmrl/Atari-v0", num_envs=..., game="breakout")`; keyword arguments of `AtariWorlds`."""
    return AtariWorlds(game, num_envs, **_limited(max_episode_steps, kwargs))


def make_atari(*, game: str, **kwargs: Any) -> SingleWorld:
    """`gym.make("mmrl/Atari-v0", game="breakout")`."""
    return Game(AtariWorlds(game, 1, autoreset=False, **kwargs))


def _limited(max_episode_steps: int | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Gymnasium limits steps, the emulator frames."""
    if max_episode_steps is None:
        return kwargs
    steps = whole("max_episode_steps", max_episode_steps, 1)
    return {**kwargs, "max_frames": steps * whole("frame_skip", kwargs.get("frame_skip", 4), 1)}
