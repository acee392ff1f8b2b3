"""Telling what was refused on purpose, and is the user's to mend, from what is a defect."""

import re
from types import TracebackType

PACKAGES = ("mmrl", "mmrl_envs", "mmrl_agents")


def raised_by_us(error: BaseException) -> bool:
    """Whether the innermost frame of the error is one of ours."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    origin = trace.tb_frame.f_globals["__name__"] if trace is not None else ""
    return origin.partition(".")[0] in PACKAGES


def is_for_the_user(error: Exception) -> bool:
    """Whether our own code refused something, Gymnasium looked up an id in vain, the system or its memory said no."""
    if isinstance(error, OSError) or is_beyond_memory(error):
        return True
    if (isinstance(error, ValueError) or _names_a_package(error)) and raised_by_us(error):
        return True
    from gymnasium.error import Error  # takes a moment, and few commands have it already

    return isinstance(error, Error)


def _names_a_package(error: Exception) -> bool:
    """Whether it was raised to say what to install; Python's own has the name of the module."""
    return isinstance(error, ImportError) and error.name is None


# How torch and NumPy say it where it is no MemoryError.
_BEYOND_MEMORY = re.compile(
    r"allocate memory|out of memory|Storage size calculation overflowed|Overflow when unpacking long|"
    r"Maximum allowed dimension exceeded|numel: integer multiplication overflow"
)


def is_beyond_memory(error: Exception) -> bool:
    """Whether something was to be larger than memory, or than any array may be."""
    numeric = isinstance(error, RuntimeError | TypeError | ValueError | OverflowError)
    return isinstance(error, MemoryError) or (numeric and _BEYOND_MEMORY.search(str(error)) is not None)


def explained(error: Exception) -> str:
    """The message of an error that is for the user."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror.lower()}"
    if not is_beyond_memory(error):
        return str(error)
    first = (str(error).splitlines() or [""])[0]
    return (
        "this needs more memory than there is; fewer worlds, shorter rollouts, smaller layers or images need less"
        f"{f' ({first})' if first else ''}"
    )
