"""What becomes of sealed files: compressed at low priority, and removed when the budget says so."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from nodelogd.retention import Budget, Disk, Kept, to_remove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.names import Names, Sealed

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds between two looks at the disk
TRIES = 3  # at compressing one file, until the next start


class Keeper:
    """A thread that looks after the sealed files of one log.

    Compressing is done by a process of its own: a thread that holds the interpreter's lock at low priority
    would hold up the loop, which waits for that lock at high priority.
    """

    def __init__(self, names: Names, budget: Budget, metrics: Metrics) -> None:
        """Prepare; `start` begins."""
        self._names = names
        self._budget = budget
        self._metrics = metrics
        self._news = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._failed: dict[str, int] = {}  # tries by name of file
        self._thread = threading.Thread(target=self._run, name="keep", daemon=True)

    def start(self) -> None:
        """Look after the files from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Look now; from any thread."""
        self._news.set()

    def close(self, timeout: float) -> None:
        """End; what is being compressed is given up, the next start goes on with it."""
        with self._lock:
            self._ended.set()
            if self._child:
                self._child.terminate()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def retain(self) -> None:
        """Remove what the budget does not allow, the oldest first. Never raises."""
        try:
            found = [kept for sealed in self._names.finished() if (kept := _kept(sealed))]
            status = os.statvfs(self._names.directory)
            disk = Disk(size=status.f_blocks * status.f_frsize, free=status.f_bavail * status.f_frsize)
            removed = set()
            for kept, reason in to_remove(found, self._budget, disk, time.time()):
                kept.path.unlink(missing_ok=True)
                removed.add(kept.path)
                self._metrics.removed.labels(reason).inc()
                log.info("removed by --%s", reason, extra={"path": str(kept.path), "bytes": kept.size})
            left = [kept.size for kept in found if kept.path not in removed]
            self._metrics.sealed_files.set(len(left))
            self._metrics.sealed_bytes.set(sum(left))
            self._metrics.disk_free.set(disk.free + sum(kept.size for kept in found if kept.path in removed))
        except OSError as error:
            log.warning("cannot look after sealed files: %s; retrying every %g s", error, EVERY)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._news.clear()
            self.retain()
            for sealed in self._to_compress():
                if self._ended.is_set():
                    return
                self._compress(sealed)
                self.retain()
            self._news.wait(EVERY)

    def _to_compress(self) -> Iterator[Sealed]:
        for sealed in self._names.finished():
            if sealed.is_plain and self._failed.get(sealed.path.name, 0) < TRIES:
                yield sealed

    def _compress(self, sealed: Sealed) -> None:
        if not sealed.path.exists():
            return
        command = [sys.executable, "-P", "-m", "nodelogd.collector.gzipping", str(sealed.path)]
        with self._lock:
            if self._ended.is_set():
                return
            self._child = child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 (our own module)
        with child:
            _, said = child.communicate()
        with self._lock:
            self._child = None
        if child.returncode == 0:
            self._metrics.compressed.inc()
        elif not self._ended.is_set():
            name = sealed.path.name
            self._failed[name] = self._failed.get(name, 0) + 1
            text = (
                said.decode(errors="replace").strip().rsplit("\n", 1)[-1] or f"exit code {child.returncode}"
            )
            log.warning("cannot compress %s: %s; it stays as it is", sealed.path, text)


def _kept(sealed: Sealed) -> Kept | None:
    try:
        status = sealed.path.stat()
    except FileNotFoundError:
        return None
    return Kept(path=sealed.path, size=status.st_size, time=status.st_mtime)
