"""The end of processes of workers that do not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmrl_envs.snapshot import OtherWorlds


class Gone(Exception):
    """The process of a worker is no more, which no world's own exception can be mistaken for."""


class Hangs(Gone):
    """It was still there, but did not answer, and was ended."""


class WorkersFailed(ValueError):
    """The processes of worlds end, or hang, before the worlds have begun."""


class WorkerReplaced(UserWarning):
    """A worker gave no answer for too long and was replaced; the episodes of its worlds are lost."""


@contextmanager
def death_means_other_worlds() -> Iterator[None]:
    """Raises `OtherWorlds` where a process is no more, and with it where its worlds stood."""
    try:
        yield
    except Gone as error:
        raise OtherWorlds("the process of its world has died") from error
