"""Robot policies over many senses: senses declared, corrupted, encoded, fused, and judged by their worth."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmrl.deploy.policy import load

__all__ = ["__version__", "load"]
__version__ = version("mmrl")


def __getattr__(name: str) -> Any:
    """`mmrl.load`, imported when it is asked for: whoever declares a sense needs nothing of it."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mmrl.deploy.policy import load

    return load
