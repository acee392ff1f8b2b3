"""`python -m mmrl_agents` is the command `mmrl`."""

import sys

from mmrl_agents.training.interruption import interrupted_once


def start() -> int:
    """Run the command line; ^C ends without a traceback even while it loads, which takes a moment."""
    with interrupted_once(for_good=True):
        try:
            from mmrl_agents.cli import main

            return main()
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(start())
