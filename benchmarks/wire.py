"""Two network namespaces and a slow wire between them; needs root and `ip`, and no netem, which few small kernels have.

The wire is a TUN device in each namespace and a process that hands every packet on after a delay, in the order in which
they came: `python -m benchmarks.wire SECONDS NAMESPACE NAMESPACE` is that process.
"""

import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

ADDRESSES = ("10.77.0.1", "10.77.0.2")
DEVICE = "mmrlwire"
MTU = 9000
"""Bytes of the largest packet, as in the networks of most clusters."""
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_QUEUE = 5000


@contextmanager
def two_namespaces(delay_s: float) -> Iterator[tuple[str, str]]:
    """The names of two network namespaces, each of which hears of the other after a delay."""
    names = (f"mmrl{os.getpid()}a", f"mmrl{os.getpid()}b")
    try:
        for name in names:
            _ip("netns", "add", name)
        command = [sys.executable, "-m", "benchmarks.wire", str(delay_s), *names]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as wire:
            assert wire.stdout is not None
            try:
                if not wire.stdout.readline():
                    raise RuntimeError("the wire did not come up")
                yield names
            finally:
                wire.terminate()
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def inside(namespace: str, command: Sequence[str]) -> list[str]:
    """A command, so that it runs in a namespace."""
    return ["ip", "netns", "exec", namespace, *command]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _end_of_the_wire(namespace: str, own: str, other: str) -> int:
    """A descriptor of all packets that leave a namespace for the other one."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    _ip("link", "set", DEVICE, "netns", namespace)
    _ip("-n", namespace, "addr", "add", own, "peer", other, "dev", DEVICE)
    _ip("-n", namespace, "link", "set", DEVICE, "mtu", str(MTU), "txqueuelen", str(_QUEUE), "up")
    _ip("-n", namespace, "link", "set", "lo", "up")
    return descriptor


def _carry(ends: tuple[int, int], delay_s: float) -> None:
    """Hand packets on for ever."""
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    under_way: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait = max(under_way[0][0] - time.perf_counter(), 0.0) if under_way else None
        for end in select.select(ends, (), (), wait)[0]:
            with suppress(BlockingIOError):
                while True:
                    packet = os.read(end, MTU + 4)
                    under_way.append((time.perf_counter() + delay_s, other[end], packet))
        while under_way and under_way[0][0] <= time.perf_counter():
            _, end, packet = under_way.popleft()
            with suppress(OSError):  # the namespace is gone, or its queue is full: TCP sends it again
                os.write(end, packet)


def main() -> None:
    """Lay the wire, say so, and carry packets until the end."""
    delay, *namespaces = sys.argv[1:]
    first, second = ADDRESSES
    ends = (_end_of_the_wire(namespaces[0], first, second), _end_of_the_wire(namespaces[1], second, first))
    with suppress(PermissionError):  # a wire does not wait for a processor
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    print("ready", flush=True)
    _carry(ends, float(delay))


if __name__ == "__main__":
    main()
