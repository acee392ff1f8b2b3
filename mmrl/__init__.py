"""Robot policies over many senses: declaring senses, corrupting them, encoding and fusing them, judging the result."""

from importlib.metadata import version

__version__ = version("mmrl")
