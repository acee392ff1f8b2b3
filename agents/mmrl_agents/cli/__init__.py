"""The command line: `mmrl train | evaluate | ablate | watch | report | runs | list | export`.

`commands.py` has the commands, `words.py` reads their options, `catalogue.py` and `overview.py` are for `mmrl list`.
"""

import importlib.metadata
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from mmrl_agents.cli.commands import COMMANDS, INTERRUPTED
from mmrl_agents.machine.launching import keep_torch_quiet, speaks_for_its_machine
from mmrl_agents.records.refusals import PACKAGES, explained, is_for_the_user
from mmrl_agents.records.terminal import release_output, say, terminal
from mmrl_agents.training.interruption import interrupted_once


def _usage(console: Console) -> None:
    say(console, "usage: mmrl COMMAND ...   (mmrl COMMAND --help for its options; mmrl --version)\n")
    width = max(map(len, COMMANDS))
    for name, (text, _) in COMMANDS.items():
        say(console, f"  {name:<{width}}  {text}")


@contextmanager
def _warnings_in_one_line(console: Console) -> Iterator[None]:
    """Shows warnings about a user's files without the place in our code that gives them."""

    def show(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
        if not speaks_for_its_machine():
            return
        if category.__module__.partition(".")[0] in PACKAGES:
            say(console, f"warning: {message}", "yellow")
        else:
            usual(message, category, *place, **more)  # type: ignore[arg-type]  # handed on as they came

    with warnings.catch_warnings():
        usual, warnings.showwarning = warnings.showwarning, show
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 2 where the user has something to mend, 130 on ^C."""
    keep_torch_quiet()
    with interrupted_once(for_good=argv is None):
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            release_output()


def _run(args: Sequence[str]) -> int:
    errors = terminal(stderr=True)
    if not args or args[0] in ("-h", "--help"):
        _usage(terminal())
        return 0 if args else 2
    if args[0] == "--version":
        say(terminal(), f"mmrl {importlib.metadata.version('mmrl')}")
        return 0
    if args[0] not in COMMANDS:
        say(errors, f"no command {args[0]!r}; there are {', '.join(COMMANDS)}", "red")
        return 2
    try:
        with _warnings_in_one_line(errors):
            return COMMANDS[args[0]][1](args[1:])
    except KeyboardInterrupt:
        say(errors, "interrupted", "red")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("MMRL_DEBUG") == "1" or not is_for_the_user(error):
            raise
        if speaks_for_its_machine():
            say(errors, f"error: {explained(error)}", "red")
        return 2
