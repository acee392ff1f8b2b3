"""Telling what was refused on purpose, and is the user's to mend, from what is a defect."""

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
    """Whether our own code refused something, Gymnasium looked up an id in vain, or the system said no."""
    from gymnasium.error import Error

    if isinstance(error, Error | OSError):
        return True
    return isinstance(error, ValueError) and raised_by_us(error)
