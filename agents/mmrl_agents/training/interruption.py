"""Stopping a training run between two updates instead of anywhere, and any command without a traceback."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# The last one comes when the terminal closes.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Becomes true on SIGINT, SIGTERM or SIGHUP; a second SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        if self.asked and number == signal.SIGINT:
            _interrupt_once(number, frame)
        self.asked = True


@contextmanager
def listening_for_stop() -> Iterator[StopRequest]:
    """A stop request while inside; handlers can only be set from the main thread.

    A SIGHUP that is ignored from the start, as `nohup` has it, stays so.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heard = [number for number in _SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop.ask) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_once(*, for_good: bool) -> Iterator[None]:
    """While inside, a second ^C does not interrupt the clearing up after the first but ends the process.

    `for_good` says that nothing follows but the end of the process, whose own clearing up ^C does not interrupt either.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGINT, _interrupt_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if for_good else before)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """Signal handler: the next one ends the process as the system does it, without a traceback."""
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt
