"""What becomes of sealed files: compressed at low priority, and removed when the budget says so."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from itertools import groupby
from typing import TYPE_CHECKING

from nodelogd.collector.store.journal_format import JournalError, decode_header
from nodelogd.service.disk_budget import Budget, DiskSpace, FinishedFile, files_to_remove

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.file_names import Names

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds between two looks at the disk
MEANWHILE = 1.0  # the same, while a file is being compressed
AGAIN = 60.0  # seconds until a file that could not be compressed is tried again, at first
LONGEST = 3600.0  # and at most: each failure doubles it


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
        self._later: dict[Path, tuple[float, float]] = {}  # when to try again, how long to wait then
        self._complaints: dict[str, str] = {}
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
            found = self._found()
            status = os.statvfs(self._names.directory)
            disk = DiskSpace(size=status.f_blocks * status.f_frsize, free=status.f_bavail * status.f_frsize)
            gone = {
                kept.path
                for kept, reason in files_to_remove(found, self._budget, disk, time.time())
                if self._remove(kept, reason)
            }
        except OSError as error:
            self._complain("look", f"cannot look after sealed files: {error}; retrying every {EVERY:g} s")
            return
        left = [kept.size for kept in found if kept.path not in gone]
        self._metrics.sealed_files.set(len(left))
        self._metrics.sealed_bytes.set(sum(left))
        self._metrics.disk_free.set(disk.free + sum(kept.size for kept in found if kept.path in gone))
        self._complaints.pop("look", None)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._news.clear()
            self.retain()
            try:
                for path in self._to_compress():
                    if self._ended.is_set():
                        return
                    self._compress(path)
                    self.retain()
            except OSError as error:  # no descriptor, no process: what retain meets it has said itself
                self._complain("run", f"cannot compress sealed files: {error}; retrying every {EVERY:g} s")
            else:
                self._complaints.pop("run", None)
            self._news.wait(EVERY)

    def _found(self) -> list[FinishedFile]:
        """List what there is; a file and its compressed form, where both are there, are one."""
        found = []
        for _, twins in groupby(self._names.finished(), lambda sealed: _plain(sealed.path)):
            present = [(sealed.path, status) for sealed in twins if (status := _status(sealed.path))]
            if present:
                path, status = present[0]
                size = sum(each.st_size for _, each in present)
                found.append(FinishedFile(path=path, size=size, time=status.st_mtime))
        return found

    def _remove(self, kept: FinishedFile, reason: str) -> bool:
        plain = _plain(kept.path)
        try:
            # In this order: where both are there, nobody knows yet whether the compressed one is whole.
            plain.with_name(f"{plain.name}.gz").unlink(missing_ok=True)
            plain.unlink(missing_ok=True)
        except OSError as error:
            self._complain(kept.path.name, f"cannot remove {kept.path}: {error.strerror}; it stays")
            return False
        self._metrics.removed.labels(reason).inc()
        log.info("removed by --%s", reason, extra={"path": str(kept.path), "bytes": kept.size})
        return True

    def _to_compress(self) -> Iterator[Path]:
        waiting = [sealed.path for sealed in self._names.finished() if sealed.is_plain]
        now = time.monotonic()
        self._later = {path: self._later[path] for path in waiting if path in self._later}
        busy = self._of_journal() if waiting else None
        for path in waiting:
            if now < self._later.get(path, (now, 0.0))[0]:
                continue
            status = _status(path)
            if status and (status.st_dev, status.st_ino) != busy:
                yield path

    def _of_journal(self) -> tuple[int, int] | None:
        """Give device and inode of the file that the journal is about.

        A rotation that waits for space has sealed it already. Were it compressed now, a start after a crash
        would look for it in vain, and not know which blocks are in it.
        """
        try:
            header = decode_header(self._names.journal.read_bytes())
        except (FileNotFoundError, JournalError):
            return None
        return header.device, header.inode

    def _compress(self, path: Path) -> None:
        command = [sys.executable, "-P", "-m", "nodelogd.collector.sealed.compression", str(path)]
        with self._lock:
            if self._ended.is_set():
                return
            self._child = child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 (our own module)
        with child:
            said = self._wait_for(child)
        with self._lock:
            self._child = None
        if child.returncode == 0:
            self._later.pop(path, None)
            self._metrics.compressed.inc()
        elif not self._ended.is_set():
            _, wait = self._later.get(path, (0.0, AGAIN))
            self._later[path] = time.monotonic() + wait, min(2 * wait, LONGEST)
            text = (
                said.decode(errors="replace").strip().rsplit("\n", 1)[-1] or f"exit code {child.returncode}"
            )
            log.warning("cannot compress %s: %s; it stays as it is, next try in %g s", path, text, wait)

    def _wait_for(self, child: subprocess.Popen[bytes]) -> bytes:
        """Give what it said. At low priority it may take minutes, and the disk is looked after meanwhile."""
        while True:
            try:
                return child.communicate(timeout=MEANWHILE)[1]
            except subprocess.TimeoutExpired:
                self.retain()

    def _complain(self, about: str, text: str) -> None:
        """Say it once, until it is another thing."""
        if self._complaints.get(about) != text:
            self._complaints[about] = text
            log.warning(text)


def _plain(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".gz"))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
