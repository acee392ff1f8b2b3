"""Senses declared: one file for each kind, none of which needs torch."""

from mmrl.modality.code import FrameCodes
from mmrl.modality.custom import Custom
from mmrl.modality.declaration import Bound, EncoderSpec, Modality
from mmrl.modality.frames import DifferenceMLP
from mmrl.modality.glimpse import GlimpseConv
from mmrl.modality.image import ImageConv
from mmrl.modality.kinds import Kind, register_kind
from mmrl.modality.set import DeepSets
from mmrl.modality.space_reading import SpaceReader
from mmrl.modality.unencoded import Unencoded
from mmrl.modality.vector import MLP, Squash
from mmrl.modality.window import TemporalConv
from mmrl.modality.words import WordBag

__all__ = [
    "MLP",
    "Bound",
    "Custom",
    "DeepSets",
    "DifferenceMLP",
    "EncoderSpec",
    "FrameCodes",
    "GlimpseConv",
    "ImageConv",
    "Kind",
    "Modality",
    "SpaceReader",
    "Squash",
    "TemporalConv",
    "Unencoded",
    "WordBag",
    "register_kind",
]
