"""A trained policy drives a robot in another process, 20 times a second: `python examples/robot_loop.py`.

The robot is simulated and knows nothing of the policy. As a real one does, it sends what its sensors read, each reading
with the instant at which it was taken, and carries out the newest action that has arrived; until one does, it goes on
with the last. Exits with 1 where the peg is not in.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from mmrl.deploy import NotRunnable, Runner


def robot(line: Connection, seed: int, hz: float) -> None:
    """One episode of peg insertion in real time: readings out, actions in, and in the end whether the peg is in."""
    import gymnasium as gym

    import mmrl_envs  # noqa: F401 - registers the environments

    env = gym.make("mmrl/PegInsertion-v0")
    senses = env.unwrapped.modalities  # type: ignore[attr-defined]  # the suite's own
    observation, info = env.reset(seed=seed)
    action = env.action_space.sample() * 0.0
    began, over, step = time.monotonic(), False, 0
    while not over:
        now = began + step / hz
        for name, sense in senses.items():
            rows = _new(observation[name], sense, hz, step)
            for number, reading in enumerate(rows, start=1 - len(rows)):
                line.send((name, now + number / sense.rate_hz, reading))
        line.send(("due", now, None))
        while line.poll(max(0.0, now + 1 / hz - time.monotonic())):
            action = line.recv()
        step += 1
        observation, _, terminated, truncated, info = env.step(action)
        over = terminated or truncated
    line.send(("over", began + step / hz, bool(info["is_success"])))
    env.close()


def _new(window: Any, sense: Any, hz: float, step: int) -> Any:
    """The readings of the last control step, oldest first; a window holds older ones as well."""
    if sense.history is None:
        return [window]
    return window[-min(sense.history, round(sense.rate_hz / hz)) :] if step else window[-1:]


class Readings(threading.Thread):
    """Takes what the robot sends, and gives the readings to the runner.

    Args:
        line: the line to the robot.
        runner: the policy in its loop.
    """

    def __init__(self, line: Connection, runner: Runner) -> None:
        super().__init__(daemon=True)
        self._line, self._runner = line, runner
        self.due: float | None = None
        """The newest instant of which all readings are there."""
        self.new = threading.Event()
        """Set where `due` is a new one, and at the end."""
        self.success: bool | None = None
        """Whether the peg is in; None while the episode goes on."""

    def run(self) -> None:
        try:
            while self.success is None:
                self._take(*self._line.recv())
        except EOFError:  # the robot is gone
            self.success = False
        finally:
            self.new.set()

    def _take(self, name: str, taken: float, reading: Any) -> None:
        if name == "over":
            self.success = reading
        elif name == "due":
            self.due = taken
            self.new.set()
        else:
            self._runner.push(name, taken, reading)


def main() -> int:
    """Drives one episode; the status of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policy", nargs="?", default="peg_insertion", help="a run folder, an exported policy or a name")
    parser.add_argument("--seed", type=int, default=0, help="of the episode")
    args = parser.parse_args()
    runner = Runner(args.policy)
    line, far_end = multiprocessing.get_context("spawn").Pipe()
    body = multiprocessing.get_context("spawn").Process(target=robot, args=(far_end, args.seed, runner.hz))
    body.start()
    far_end.close()  # so that the line ends where the robot does
    readings = Readings(line, runner)
    readings.start()
    while readings.new.wait() and readings.is_alive():
        readings.new.clear()
        try:
            line.send(runner.tick(readings.due or 0.0))
        except NotRunnable as error:
            body.terminate()
            print(error)
            return 1
    body.join()
    print(runner.report())
    print("the peg is in" if readings.success else "the peg is not in")
    return 0 if readings.success else 1


if __name__ == "__main__":
    sys.exit(main())
