"""Starting torchrun for a user: one command, one output, one ^C.

`python -m mmrl_agents.machine.launching COUNT COMMAND WORD...` is torchrun on this machine, without its own reports of
what the processes have said already.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

IDS = "MMRL_RANK_IDS"
"""The environment variable that names a folder in which each rank leaves its process id."""
_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def is_a_rank() -> bool:
    """Whether torchrun, or another program that sets what it does, started this process as one of several."""
    return all(name in os.environ for name in _NEEDED)


def speaks_for_its_machine() -> bool:
    """Whether this process is the one of its machine that prints what is wrong."""
    return os.environ.get("LOCAL_RANK", "0") == "0" or not is_a_rank()


def keep_torch_quiet() -> None:
    """Keep what torch's libraries report of a rank off the screen, before they load: a sentence says it at the end."""
    if is_a_rank():
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")


def torchrun_job() -> str | None:
    """The name of the torchrun job, the same when its processes are started again; None where it has none.

    `--standalone` makes one up, otherwise it is `--rdzv-id`, without which all jobs are called "none".
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return name if is_a_rank() and name != "none" else None


def launch(processes: int, command: str, words: Sequence[str]) -> tuple[int, bool]:
    """Run a command of mmrl in so many processes; returns its exit status, and whether somebody asked it to stop.

    Signals go to the first rank, which agrees with the others on when to stop.
    """
    with tempfile.TemporaryDirectory(prefix="mmrl-ranks-") as ids:
        own = [sys.executable, "-m", "mmrl_agents.machine.launching", str(processes), command, *words]
        # Torchrun would set the threads of OpenMP, and say so; each rank takes its share of the cores.
        environment = {"OMP_NUM_THREADS": "1", **os.environ, IDS: ids}
        # In a session of its own no rank hears the ^C of the terminal by itself.
        process = subprocess.Popen(own, env=environment, start_new_session=True)
        with _passing_signals_on(process, Path(ids)) as heard:
            status = process.wait()
        return status, bool(heard)


@contextmanager
def _passing_signals_on(process: subprocess.Popen[bytes], ids: Path) -> Iterator[list[int]]:
    heard: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        first = ids / "0"
        with suppress(ProcessLookupError):  # it is over
            if first.exists():
                os.kill(int(first.read_text()), number)
            else:
                process.terminate()

    before = {number: signal.signal(number, pass_on) for number in _SIGNALS}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_torchrun(processes: str, command: str, words: Sequence[str]) -> int:
    """Run torchrun in this process; 2 where one of its processes failed, which has said why."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)
    arguments = ["--standalone", "--nproc-per-node", processes, "-m", "mmrl_agents", command, *words]
    try:
        run.run(run.parse_args(arguments))
    except (ChildFailedError, SignalException):
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run_torchrun(sys.argv[1], sys.argv[2], sys.argv[3:]))
