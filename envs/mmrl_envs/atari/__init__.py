"""Atari games on native emulators, as multimodal environments."""
