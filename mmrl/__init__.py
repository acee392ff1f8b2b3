"""Robot policies over many senses: senses declared, corrupted, encoded, fused, and judged by their worth."""

from importlib.metadata import version

__version__ = version("mmrl")
