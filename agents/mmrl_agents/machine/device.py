"""The device that the networks of a command live on."""

import torch


def choose_device(name: str) -> torch.device:
    """The torch device of a name; "auto" is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"no device is called {name!r}: auto, cpu, cuda or cuda:1, say") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device {name!r} is none that mmrl trains on: auto, cpu, cuda or cuda:1, say")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} was asked for, but torch sees no CUDA device")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name!r} was asked for, but there are {torch.cuda.device_count()}, the first cuda:0")
    return device
