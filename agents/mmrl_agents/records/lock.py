"""A lock of a run folder, which the kernel lets go of when its process ends, however that ends."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from mmrl_agents.records.files import UnfitFile, require_regular

# Some network file systems know no locks: what status.json says is all there is then.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


class FolderInUse(ValueError):
    """Another training holds the lock of the folder."""


class FolderLock:
    """Holds the file `.lock` of a folder; workers do not inherit it, since they are processes of their own."""

    def __init__(self, folder: Path) -> None:
        """Name the lock; it is not acquired yet."""
        self.path = folder / ".lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raise FolderInUse where another training has it, of this process or another."""
        while self._descriptor is None:
            descriptor = self._opened()
            try:
                self._lock(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if self._is_still_there(descriptor):
                self._descriptor = descriptor
            else:
                os.close(descriptor)

    def release(self) -> None:
        """Let go of it, if it was acquired, and remove the file; whoever waits on that one notices."""
        if self._descriptor is not None:
            with suppress(OSError):  # a folder that is gone or became read-only
                self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if os.path.lexists(self.path):
            require_regular(self.path)
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UnfitFile(f"{self.path} is a symbolic link, not a regular file") from error
            raise

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"{self.path.parent} is being trained by another process") from None
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise

    def _is_still_there(self, descriptor: int) -> bool:
        """Whether it is the file of that name: whoever had it may have removed it before it was locked here."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat(follow_symlinks=False))
        except FileNotFoundError:
            return False
