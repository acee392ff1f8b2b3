"""The generators that a whole process shares, Python's and NumPy's, from which many environments draw."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np


def seed_globally(seed: int) -> None:
    """Start both from a seed, as Stable-Baselines3 does."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - environments of other packages draw from it


def get_state() -> dict[str, Any]:
    """Their states: arrays and plain Python."""
    version, words, gauss = random.getstate()
    return {
        "python": {"version": version, "words": np.array(words, np.uint32), "gauss": gauss},
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002 - as above
    }


def set_state(state: Mapping[str, Any]) -> None:
    """Undo `get_state`."""
    python, saved = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    inner = {**saved["state"], "key": np.asarray(saved["state"]["key"], np.uint32)}
    np.random.set_state({**saved, "state": inner})  # noqa: NPY002 - as above


@contextmanager
def spared() -> Iterator[None]:
    """Leaves both as they were, whatever is drawn or seeded inside."""
    before = get_state()
    try:
        yield
    finally:
        set_state(before)
