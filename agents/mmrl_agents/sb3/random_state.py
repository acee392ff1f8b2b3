"""The generators that Stable-Baselines3 draws from: those of the process, and that of the action space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm


def get_state(model: BaseAlgorithm) -> dict[str, Any]:
    """Their states, as arrays, tensors and plain Python."""
    device = model.device
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002 - SB3 shuffles and samples with it
        "actions": model.action_space.np_random.bit_generator.state,
    }


def set_state(model: BaseAlgorithm, state: Mapping[str, Any]) -> None:
    """Undo `get_state`; a generator of another kind of device stays as it is."""
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and model.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), model.device)
    saved = state["numpy"]
    inner = {**saved["state"], "key": np.asarray(saved["state"]["key"], np.uint32)}
    np.random.set_state({**saved, "state": inner})  # noqa: NPY002 - as above
    model.action_space.np_random.bit_generator.state = state["actions"]
