"""Where commands print: text to the letter, on a stream that may be full, closed or gone without ending anything."""

import errno
import io
import os
import sys
import warnings
from typing import TextIO, cast

from rich.console import Console
from rich.text import Text

from mmrl_agents.records.files import printable

# Nobody is left who would read a word about it.
_READER_GONE = (errno.EPIPE, errno.EIO, errno.EBADF)


class NotPrinted(UserWarning):
    """The standard output took no more."""


class LastingStream(io.TextIOBase):
    """A text stream that loses what it cannot write instead of raising, and spells out what it cannot encode."""

    def __init__(self, stream: TextIO | None) -> None:
        """Write to `stream`; None, which Python has for one that was closed from the start, takes nothing."""
        self._stream = stream
        self.lost = False
        """Whether something could not be written."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed, a property in Python
        """The encoding of the stream beneath."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write what can be written."""
        spelled = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        try:
            if self._stream is not None:
                self._stream.write(spelled)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Hand what was written to the system, as far as it takes it."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError) as error:
            self._lose(error)

    def isatty(self) -> bool:
        """Whether a person looks on."""
        return self._stream is not None and not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor of the stream beneath; raises OSError where there is none."""
        if self._stream is None:
            raise OSError(errno.EBADF, "closed from the start")
        return self._stream.fileno()

    def _lose(self, error: OSError | ValueError) -> None:
        if not self.lost and isinstance(error, OSError) and error.errno not in _READER_GONE:
            self.lost = True  # before the warning, which may come here again
            warnings.warn(f"the output cannot be written ({error}); going on without", NotPrinted, stacklevel=3)
        self.lost = True


def terminal(*, stderr: bool = False) -> Console:
    """A console on the standard output, or the standard error, of now."""
    stream = LastingStream(sys.stderr if stderr else sys.stdout)
    return Console(file=cast(TextIO, stream))  # it has what rich asks of one


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is: names may look like markup, or hold what a terminal would obey."""
    console.print(Text(printable(text), style), soft_wrap=True)


def exit_status(console: Console) -> int:
    """The status of a command that does nothing but print: 2 where some of that was lost."""
    return 2 if isinstance(console.file, LastingStream) and console.file.lost else 0


def release_output() -> None:
    """Before the process ends: leave nothing in a buffer that Python would fail to write, and complain of, at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            _divert(stream)


def _divert(stream: TextIO) -> None:
    """Let a stream that cannot be written end nowhere, as Python's manual advises for a broken pipe."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # no descriptor beneath it
        return
