"""Networks of senses, built from their declarations: one file for each kind."""

from mmrl.encoders.base import Decoder, Encoder, Networks, ScaledDecoder, Unplaced
from mmrl.encoders.building import build_decoder, build_encoder, build_signal, build_token_encoder
from mmrl.encoders.custom import build_custom
from mmrl.encoders.frames import DifferenceEncoder
from mmrl.encoders.image import ImageEncoder, ImageMaps, ImageTokens, pixel_scaling
from mmrl.encoders.set import SetEncoder, SetTokens
from mmrl.encoders.vector import MLPEncoder
from mmrl.encoders.window import CausalTemporalEncoder, CausalWindows, TemporalTokens
from mmrl.encoders.words import WordBagEncoder, WordTokens

__all__ = [
    "CausalTemporalEncoder",
    "CausalWindows",
    "Decoder",
    "DifferenceEncoder",
    "Encoder",
    "ImageEncoder",
    "ImageMaps",
    "ImageTokens",
    "MLPEncoder",
    "Networks",
    "ScaledDecoder",
    "SetEncoder",
    "SetTokens",
    "TemporalTokens",
    "Unplaced",
    "WordBagEncoder",
    "WordTokens",
    "build_custom",
    "build_decoder",
    "build_encoder",
    "build_signal",
    "build_token_encoder",
    "pixel_scaling",
]
