"""The machine that a result was measured on."""

import platform
from pathlib import Path
from typing import Any

import torch

from mmrl_envs.arguments import available_cores


def machine(device: torch.device) -> dict[str, Any]:
    """The machine of this process for a JSON document: platform, processor, cores it may use, device of the network."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return {"platform": platform.platform(), "processor": _processor(), "cpus": available_cores(), "device": name}


def _processor() -> str:
    """The name of the processor, or else its architecture; only Linux has a file with the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
