"""Atari games on native emulators, as multimodal environments. Importing it registers their ids."""

from collections.abc import Mapping
from types import MappingProxyType

import gymnasium as gym

GAMES: Mapping[str, str] = MappingProxyType(
    {
        "mmrl/Pong-v0": "Pong from its last two frames, cropped to the field.",
        "mmrl/Atari-v0": "Any Atari game from its last four frames: --set game=breakout.",
    }
)
"""A sentence by id, for `mmrl list`."""

gym.register(
    id="mmrl/Pong-v0",
    entry_point="mmrl_envs.atari.games:make_pong",
    vector_entry_point="mmrl_envs.atari.games:make_pong_vector",
)
gym.register(
    id="mmrl/Atari-v0",
    entry_point="mmrl_envs.atari.games:make_atari",
    vector_entry_point="mmrl_envs.atari.games:make_atari_vector",
)
