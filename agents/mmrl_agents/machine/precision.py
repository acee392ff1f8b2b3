"""In which numbers a network computes: 32 bits, or bfloat16 where the hardware multiplies it natively."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "auto"]


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; without them it is emulated and slower than 32 bits."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # AVX512-BF16: AMD since Zen 4, Intel since Cooper Lake. AMX: Intel since Sapphire Rapids.
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def computing_in(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A context in which layers multiply in that precision; "auto" is bfloat16 where the device has it.

    Weights, sums, losses and the optimiser stay in 32 bits (torch's autocast).
    """
    if precision == "float32" or (precision == "auto" and not multiplies_bfloat16(device)):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
