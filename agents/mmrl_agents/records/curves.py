"""Curves for TensorBoard: a file of events that lies on the disk, whole, after every call.

TensorBoard's own writer works in a thread of its own, which on a full disk prints errors and repeats them for ever. Its
records and messages are used here, its thread is not.
"""

import os
import re
import socket
import time
from collections.abc import Collection, Mapping
from io import BytesIO
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from mmrl_agents.records.files import append_regular

_NAME = re.compile(r"events\.out\.tfevents\.(\d+)\.")
# What a figure is about, by the form of its name; all else is of the updates.
_GROUPS = (
    ("losses", re.compile(r"(.*_)?(loss|entropy)")),
    ("time", re.compile(r".*(_seconds|_per_second|_time_s)")),
    ("incidents", re.compile(r"physics_errors|renderer_failures|workers_lost|clipped_readings|skipped_updates.*")),
    ("episodes", re.compile(r"episodes|games|points|batch_return|(mean_return|mean_length|success).*")),
)


def tag_of(name: str, of_episodes: Collection[str] = ()) -> str:
    """Under which heading TensorBoard shows a metric: those that bring one keep it, as curriculum/level.

    `of_episodes` are names of metrics that are of episodes whatever they look like, as the figures of a task.
    """
    if "/" in name:
        return name
    if name in of_episodes:
        return f"episodes/{name}"
    group = next((group for group, form in _GROUPS if form.fullmatch(name)), "updates")
    return f"{group}/{name}"


class EventFile:
    """Scalars of one process, in a file that is begun with the first of them."""

    def __init__(self, folder: Path) -> None:
        """Write to a new file in `folder`, later."""
        self._folder = folder
        self._path: Path | None = None

    def log(self, step: int, scalars: Mapping[str, float], of_episodes: Collection[str] = ()) -> None:
        """Append the scalars of a step, all of them or none; raises OSError as the system does."""
        values = [Summary.Value(tag=tag_of(name, of_episodes), simple_value=value) for name, value in scalars.items()]
        events = [Event(wall_time=time.time(), step=step, summary=Summary(value=values))]
        if self._path is not None:
            append_regular(self._path, _records(events))
            return
        path = self._folder / _name_that_sorts_last(self._folder)
        append_regular(path, _records([*_beginning(step), *events]))
        self._path = path


def _beginning(step: int) -> list[Event]:
    """The format, and a mark that makes a reader drop what an earlier process logged from `step` on."""
    now = time.time()
    return [
        Event(wall_time=now, file_version="brain.Event:2"),
        Event(wall_time=now, step=step, session_log=SessionLog(status=SessionLog.START)),
    ]


def _records(events: list[Event]) -> bytes:
    """The events as TensorBoard packs them, with lengths and checksums."""
    packed = BytesIO()
    writer = RecordWriter(packed)
    for event in events:
        writer.write(event.SerializeToString())
    return packed.getvalue()


def _name_that_sorts_last(folder: Path) -> str:
    """A name with the second of now, or of the newest file and one more.

    TensorBoard reads files by name, in which the second comes first; read before the file that it goes on from, a new
    one would have its events purged by that. Resumed within the same second, or with the clock set back, it would be.
    """
    stamps = [int(found[1]) for path in folder.iterdir() if (found := _NAME.match(path.name))]
    second = max([int(time.time()), *(stamp + 1 for stamp in stamps)])
    return f"events.out.tfevents.{second:010d}.{socket.gethostname()}.{os.getpid()}.0"
