"""What a result was measured on."""

import platform
from typing import Any

import torch

from mmrl_agents.allocator import granted_cores


def machine(device: torch.device) -> dict[str, Any]:
    """The machine of this process for a JSON document: platform, cores it may use, device of the network."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return {"platform": platform.platform(), "cpus": granted_cores(), "device": name}
