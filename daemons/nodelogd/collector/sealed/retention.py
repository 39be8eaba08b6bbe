"""Retention of sealed files: compressed at low priority, removed when the budget requires it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from itertools import groupby
from typing import TYPE_CHECKING

from nodelogd.collector.store.journal_format import JournalError, decode_header
from nodelogd.service.files.disk_budget import Budget, FinishedFile, files_to_remove
from nodelogd.service.files.free_space import free_space

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.file_names import FileNames

log = logging.getLogger(__name__)

CHECK_INTERVAL = 10.0  # seconds between two checks of the disk
CHECK_INTERVAL_COMPRESSING = 1.0  # seconds, while a file is being compressed
RETRY_DELAY = 60.0  # seconds until a failed compression is tried again; each failure of a file doubles it
MAX_RETRY_DELAY = 3600.0  # seconds


class Retention:
    """A thread that compresses and removes the sealed files of one log.

    A separate process compresses: a thread that holds the interpreter's lock at low priority would hold up
    the event loop, which waits for that lock at high priority.
    """

    def __init__(self, names: FileNames, budget: Budget, metrics: Metrics) -> None:
        """Prepare; `start` starts the thread."""
        self._names = names
        self._budget = budget
        self._metrics = metrics
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._retries: dict[Path, tuple[float, float]] = {}  # time of the next attempt, delay after that
        self._warnings: dict[str, str] = {}  # last warning by subject
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Check now rather than at the next interval. Thread-safe."""
        self._woken.set()

    def close(self, timeout: float) -> None:
        """Stop the thread; a compression that is under way is abandoned and repeated after the next start."""
        with self._lock:
            self._stopped.set()
            if self._child:
                self._child.terminate()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def enforce_budget(self) -> None:
        """Remove what the budget does not allow, oldest first. Never raises."""
        try:
            files = self._list_files()
            disk = free_space(self._names.directory)
            removed = {
                file.path
                for file, reason in files_to_remove(files, self._budget, disk, time.time())
                if self._remove(file, reason)
            }
        except OSError as error:
            self._warn_once(
                "check", f"cannot check the sealed files: {error}; retrying every {CHECK_INTERVAL:g} s"
            )
            return
        remaining = [file.size for file in files if file.path not in removed]
        self._metrics.sealed_files.set(len(remaining))
        self._metrics.sealed_bytes.set(sum(remaining))
        self._metrics.disk_free.set(disk.free + sum(file.size for file in files if file.path in removed))
        self._warnings.pop("check", None)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            self.enforce_budget()
            try:
                for path in self._files_to_compress():
                    if self._stopped.is_set():
                        return
                    self._compress(path)
                    self.enforce_budget()
            except OSError as error:  # no descriptor, no process; enforce_budget reports its own errors
                self._warn_once(
                    "compress", f"cannot compress sealed files: {error}; retrying every {CHECK_INTERVAL:g} s"
                )
            else:
                self._warnings.pop("compress", None)
            self._woken.wait(CHECK_INTERVAL)

    def _list_files(self) -> list[FinishedFile]:
        """List the files on disk; a file and its compressed form, if both exist, count as one."""
        files = []
        for _, forms in groupby(self._names.sealed_files(), lambda sealed: _plain(sealed.path)):
            present = [(sealed.path, status) for sealed in forms if (status := _status(sealed.path))]
            if present:
                path, status = present[0]
                size = sum(status.st_size for _, status in present)
                files.append(FinishedFile(path=path, size=size, time=status.st_mtime))
        return files

    def _remove(self, file: FinishedFile, reason: str) -> bool:
        plain = _plain(file.path)
        try:
            # In this order: if both exist, it is unknown whether the compressed one is complete.
            plain.with_name(f"{plain.name}.gz").unlink(missing_ok=True)
            plain.unlink(missing_ok=True)
        except OSError as error:
            self._warn_once(file.path.name, f"cannot remove {file.path}: {error.strerror}; it stays")
            return False
        self._metrics.removed.labels(reason).inc()
        log.info("removed by --%s", reason, extra={"path": str(file.path), "bytes": file.size})
        return True

    def _files_to_compress(self) -> Iterator[Path]:
        plain = [sealed.path for sealed in self._names.sealed_files() if sealed.is_plain]
        now = time.monotonic()
        self._retries = {path: self._retries[path] for path in plain if path in self._retries}
        in_use = self._file_of_journal() if plain else None
        for path in plain:
            if now < self._retries.get(path, (now, 0.0))[0]:
                continue
            status = _status(path)
            if status and (status.st_dev, status.st_ino) != in_use:
                yield path

    def _file_of_journal(self) -> tuple[int, int] | None:
        """Return device and inode of the file that the journal describes.

        A rotation that waits for space has sealed it already. If it were compressed now, a start after a
        crash would not find it, and not know which blocks are in it.
        """
        try:
            header = decode_header(self._names.journal.read_bytes())
        except (FileNotFoundError, JournalError):
            return None
        return header.device, header.inode

    def _compress(self, path: Path) -> None:
        command = [sys.executable, "-P", "-m", "nodelogd.collector.sealed.compression", str(path)]
        with self._lock:
            if self._stopped.is_set():
                return
            self._child = child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 (our own module)
        with child:
            stderr = self._wait_for(child)
        with self._lock:
            self._child = None
        if child.returncode == 0:
            self._retries.pop(path, None)
            self._metrics.compressed.inc()
        elif not self._stopped.is_set():
            self._postpone(path, stderr, child.returncode)

    def _wait_for(self, child: subprocess.Popen[bytes]) -> bytes:
        """Return its stderr. At low priority it may take minutes; the budget is enforced meanwhile."""
        while True:
            try:
                return child.communicate(timeout=CHECK_INTERVAL_COMPRESSING)[1]
            except subprocess.TimeoutExpired:
                self.enforce_budget()

    def _postpone(self, path: Path, stderr: bytes, exit_code: int) -> None:
        _, delay = self._retries.get(path, (0.0, RETRY_DELAY))
        self._retries[path] = time.monotonic() + delay, min(2 * delay, MAX_RETRY_DELAY)
        last_line = stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        text = last_line or f"exit code {exit_code}"
        log.warning("cannot compress %s: %s; it stays as it is, next try in %g s", path, text, delay)

    def _warn_once(self, subject: str, text: str) -> None:
        """Log a warning unless it is the last one about this subject."""
        if self._warnings.get(subject) != text:
            self._warnings[subject] = text
            log.warning(text)


def _plain(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".gz"))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
