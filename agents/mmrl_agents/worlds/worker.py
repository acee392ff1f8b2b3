"""A process with some worlds, as the process that learns sees it: asked, waited for, and replaced where it dies."""

import multiprocessing
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from mmrl_agents.experience.episodes import LOST
from mmrl_agents.worlds.worker_failures import Gone, Hangs, WorkerReplaced, WorkersFailed
from mmrl_agents.worlds.worker_process import Begun, Maker, Seeds, WorldStep, serve

TIMEOUT_S = 600.0
"""Seconds after which a worker that does not answer is replaced."""

_MOST_STARTS = 3  # of one worker, before it has done anything
_STARTING_S = 120.0  # at least: libraries are loaded, and worlds made

Answer = TypeVar("Answer")


class Worker:
    """A process with some worlds, as the process that learns sees it."""

    def __init__(
        self, name: str, make: Maker, count: int, on_loss: Callable[[int], Seeds], timeout_s: float = TIMEOUT_S
    ) -> None:
        """`on_loss` hears of a death and gives seeds for the episodes that begin after it."""
        self.name, self.count = name, count
        self._make, self._on_loss = make, on_loss
        self._timeout_s, self._starting = timeout_s, False
        self._last: list[Any] = [None] * count
        self._begun: list[Begun | None] = [None] * count
        self._outcomes: list[WorldStep] | None = None
        self._beginning: tuple[Seeds, dict[str, Any] | None] | None = None
        self.description: Mapping[str, Any] = self._live(lambda: self.ask("describe"))

    @property
    def process_id(self) -> int | None:
        """Of the process that is at work now."""
        return self._process.pid

    def ask(self, what: str, *arguments: Any) -> Any:
        """Sends a request and waits for its answer; raises what the world raised, Gone if the process is."""
        self._send(what, *arguments)
        return self._answer()

    def begin_episodes(self, seeds: Seeds, options: dict[str, Any] | None) -> None:
        """Have all worlds begin an episode; `episode` waits for it."""
        self._beginning = (seeds, options)
        with suppress(Gone):  # `episode` will find out
            self._send("reset", *self._beginning)

    def episode(self, row: int) -> tuple[Any, dict[str, Any]]:
        """How the episode began that was asked for, or that began by itself."""
        if self._beginning is not None:
            beginning, self._beginning = self._beginning, None
            try:
                self._begun[:] = self._answer()
            except Gone:
                self._begun[:] = self._replace(*beginning)
        begun = self._begun[row]
        assert begun is not None
        self._last[row] = begun[0]
        return begun

    def set_state(self, row: int, state: Mapping[str, Any]) -> None:
        """Put a world back as it stood."""
        self._last[row] = self.ask("set_state", row, state)

    def begin_step(self, actions: Sequence[Any]) -> None:
        """Have all worlds take a step; `outcome` waits for it."""
        self._outcomes = None
        try:
            self._send("step", list(actions))
        except Gone:
            self._outcomes = self._cut_short()

    def outcome(self, row: int) -> WorldStep:
        """The results of a step of a world."""
        if self._outcomes is None:
            try:
                self._outcomes = self._answer()
            except Gone:
                self._outcomes = self._cut_short()
        outcome = self._outcomes[row]
        self._last[row], self._begun[row] = outcome.observation, outcome.begun
        return outcome

    def close(self) -> None:
        """End the process."""
        with suppress(Gone):
            self._send("close")
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        # A fork would inherit the threads' locks of torch and MuJoCo, but not the threads.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self._make, self.count), daemon=True)
        self._process.start()
        theirs.close()

    def _send(self, what: str, *arguments: Any) -> None:
        try:
            self._connection.send((what, arguments))
        except OSError as error:
            raise Gone from error

    def _answer(self) -> Any:
        try:
            if not self._connection.poll(self._patience_s):
                raise self._ended()
            succeeded, answer = self._connection.recv()
        except (EOFError, OSError) as error:  # perhaps in the middle of an answer
            raise Gone from error
        if not succeeded:
            raise answer
        return answer

    @property
    def _patience_s(self) -> float:
        return max(self._timeout_s, _STARTING_S) if self._starting else self._timeout_s

    def _ended(self) -> Hangs:
        """End a process that does not answer."""
        silence = f"{self.name} (process {self.process_id}) has given no answer for {self._patience_s:g} s"
        if not self._starting:
            warnings.warn(f"{silence} and is replaced; --worker-timeout-s allows more", WorkerReplaced, stacklevel=2)
        self._process.kill()
        return Hangs(silence)

    def _replace(self, seeds: Seeds | None = None, options: dict[str, Any] | None = None) -> list[Begun]:
        """Another process with fresh worlds; returns the episodes that began in it."""
        spare = self._on_loss(self.count)
        self._bury()
        return self._live(lambda: self.ask("reset", seeds or spare, options))

    def _live(self, ask: Callable[[], Answer]) -> Answer:
        """Start a process and ask it for a first thing; WorkersFailed where it dies of that again and again."""
        self._starting = True
        for _ in range(_MOST_STARTS):
            self._start()
            try:
                answer = ask()
            except Hangs as error:
                self._bury()
                raise WorkersFailed(f"{error} before its worlds had begun; --worker-timeout-s allows more") from None
            except Gone:
                self._bury()
                self._require_no_error()
            else:
                self._starting = False
                return answer
        raise WorkersFailed(
            f"a worker process died {_MOST_STARTS} times before its worlds had begun: "
            "is there too little memory for them? Try fewer --workers or --num-worlds"
        )

    def _require_no_error(self) -> None:
        """Raise WorkersFailed where the process ended with an error of Python, which trying again does not change."""
        if self._process.exitcode == 1:
            raise WorkersFailed(
                "a worker process ended with an error before its worlds had begun; it is printed above. Each worker "
                "begins by running the script that started it, so what a script does, other than define things, must "
                'stand under `if __name__ == "__main__":`'
            )

    def _bury(self) -> None:
        self._connection.close()
        self._process.join(timeout=5)

    def _cut_short(self) -> list[WorldStep]:
        """The process died: its episodes end where they were last seen."""
        return [
            WorldStep(last, 0.0, False, True, {LOST: True}, begun)
            for last, begun in zip(self._last, self._replace(), strict=True)
        ]
