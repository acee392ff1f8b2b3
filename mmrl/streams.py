"""Random streams that do not know about each other.

Every modality of every world draws from a generator of its own, keyed by (seed, world, name).
Adding a sensor, adding a world or resetting one world early therefore changes no other reading.

N is the number of worlds; n that of the worlds in one call; B that of the values in a drawn block.
"""

from collections.abc import Mapping
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import Indices

DrawKind = Literal["normal", "uniform"]

# Part of the key, so that a normal draw never shifts the uniform draws of the same stream.
_KIND_KEYS: dict[DrawKind, int] = {"normal": 0, "uniform": 1}


class Streams:
    """One independent random stream per world, for one named consumer.

    What world i receives depends on (seed, i, name) and on its own earlier calls only: not on N,
    not on which worlds share a call, and not on how the values are grouped into calls.
    """

    def __init__(self, seed: int, name: str, num_worlds: int, first: int = 0) -> None:
        """Streams of the worlds `first`, `first` + 1, ..., which are 0, 1, ... in all calls.

        Raises ValueError for a negative seed, an empty name or fewer than one world.
        """
        if not name:
            raise ValueError("the name of a random stream must not be empty, got ''")
        if num_worlds < 1:
            raise ValueError(f"random stream {name!r}: num_worlds must be >= 1, got {num_worlds}")
        self.name = name
        self.num_worlds, self._first = num_worlds, first
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Start every world's stream again from `seed`, as a new object would."""
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"random stream {self.name!r}: seed must be an int >= 0, got {seed!r}")
        self.seed = int(seed)
        # Pools open on first use: most modalities draw one kind of number or none.
        self._pools: dict[DrawKind, _Pool] = {}

    def normal(self, worlds: Indices, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Standard normal values (n, *shape) for the n distinct `worlds`."""
        return self._pool("normal").draw(worlds, shape)

    def uniform(self, worlds: Indices, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Values in [0, 1) of shape (n, *shape) for the n distinct `worlds`."""
        return self._pool("uniform").draw(worlds, shape)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as plain Python (JSON-able) values."""
        pools = {kind: pool.state_dict() for kind, pool in self._pools.items()}
        worlds = list(range(self._first, self._first + self.num_worlds))
        return {"seed": self.seed, "name": self.name, "worlds": worlds, "pools": pools}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`. Raises ValueError for the state of another stream."""
        worlds = state.get("worlds") or list(range(state["num_worlds"]))  # older states are of all
        for field, own, saved in (("name", self.name, state["name"]), ("num_worlds", self.num_worlds, len(worlds))):
            if saved != own:
                raise ValueError(f"random stream {self.name!r}: {field} is {own!r}, that of the saved state {saved!r}")
        self._first = worlds[0]
        self.restart(state["seed"])
        for kind, pool_state in state["pools"].items():
            self._pool(kind).load_state_dict(pool_state)

    def _pool(self, kind: DrawKind) -> "_Pool":
        if kind not in self._pools:
            self._pools[kind] = _Pool(self.seed, self.name, self.num_worlds, self._first, kind)
        return self._pools[kind]


class _Pool:
    """Values (N, B) drawn ahead: most calls are one array read instead of N generator calls."""

    block_size = 1024

    def __init__(self, seed: int, name: str, num_worlds: int, first: int, kind: DrawKind) -> None:
        key = (crc32(name.encode()), _KIND_KEYS[kind])
        self._generators = [
            np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(i, *key))))
            for i in range(first, first + num_worlds)
        ]
        self._draw_into = [
            generator.standard_normal if kind == "normal" else generator.random for generator in self._generators
        ]
        self._values = np.empty((num_worlds, self.block_size))
        self._read = np.zeros(num_worlds, dtype=np.int64)
        # Where each generator was before its current block: with `_read` it rebuilds the pool.
        self._before_block = [0] * num_worlds
        for world in range(num_worlds):
            self._refill(world)

    def draw(self, worlds: Indices, shape: tuple[int, ...]) -> NDArray[np.float64]:
        count = int(np.prod(shape, dtype=np.int64))
        first = self._read[worlds]
        if (first + count > self.block_size).any():
            values = np.empty((len(worlds), count))
            for row, world in enumerate(worlds.tolist()):
                self._fill(world, values[row])
        elif len(first) and (first == first[0]).all():
            values = self._values[worlds, first[0] : first[0] + count]
            self._read[worlds] = first + count
        else:
            values = self._values[worlds[:, None], first[:, None] + np.arange(count)]
            self._read[worlds] = first + count
        return values.reshape(len(worlds), *shape)

    def state_dict(self) -> dict[str, Any]:
        return {"before_block": list(self._before_block), "read": self._read.tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for world, (position, read) in enumerate(zip(state["before_block"], state["read"], strict=True)):
            if position is None:  # nothing was drawn yet in this world
                continue
            generator = self._generators[world]
            generator.bit_generator.state = _moved(generator, position)
            self._refill(world)
            self._read[world] = read

    def _fill(self, world: int, out: NDArray[np.float64]) -> None:
        """Fill `out` from the rest of the block of `world`, then from new ones as needed."""
        done = 0
        while done < len(out):
            if self._read[world] == self.block_size:
                self._refill(world)
            start = self._read[world]
            part = self._values[world, start : start + len(out) - done]
            out[done : done + len(part)] = part
            self._read[world] += len(part)
            done += len(part)

    def _refill(self, world: int) -> None:
        self._before_block[world] = _position(self._generators[world])
        self._draw_into[world](out=self._values[world])
        self._read[world] = 0


def _position(generator: np.random.Generator) -> int:
    """The 128-bit position of a PCG64 generator; the rest of its state is fixed by its seed."""
    position: int = generator.bit_generator.state["state"]["state"]
    return position


def _moved(generator: np.random.Generator, position: int) -> dict[str, Any]:
    state: dict[str, Any] = dict(generator.bit_generator.state)
    return state | {"state": state["state"] | {"state": position}}
