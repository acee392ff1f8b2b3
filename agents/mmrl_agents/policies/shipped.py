"""The trained policies that come with the package, by name."""

from pathlib import Path

PRETRAINED = Path(__file__).parent / "pretrained"
PREFIX = "pretrained:"
DEFAULT_POLICY = f"{PREFIX}peg_insertion"


def pretrained_names() -> list[str]:
    """Names of the policies shipped with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob("*/model.safetensors"))


def pretrained_folder(name: str) -> Path:
    """The folder of a policy; ValueError, listing the names there are, for another one."""
    names = pretrained_names()
    if name not in names:
        listed = ", ".join(names) or "none"
        raise ValueError(f"no pretrained policy {name!r}; those shipped are: {listed}")
    return PRETRAINED / name
