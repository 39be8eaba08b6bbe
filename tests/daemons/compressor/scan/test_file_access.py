"""A file that cannot be opened or read is reported and left out."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.scan.file_access import ATTEMPTS, FileAccess, FileAnomaly, StoppedError
from nodelogd.compressor.scan.listing import LogFile
from nodelogd.compressor.scan.log_reader import LogReader, ShrankError, UnreadableError

if TYPE_CHECKING:
    from pathlib import Path


class OneFile:
    """A file, the access to it, and the anomalies that are reported about it."""

    def __init__(self, path: Path, *, open_error: OSError | None = None) -> None:
        path.write_bytes(b"x\n")
        self.file = LogFile(str(path).lstrip("/"), os.fsencode(path))
        self.open_error = open_error
        self.reports: list[tuple[FileAnomaly, str]] = []
        self.fds: list[int] = []
        self.access = FileAccess(self.open, self.report, lambda: False)
        self.buffer = memoryview(bytearray(1024 * 1024))

    def open(self, file: LogFile) -> int:
        """Open the file, or fail."""
        if self.open_error:
            raise self.open_error
        self.fds.append(os.open(file.path, os.O_RDONLY))
        return self.fds[-1]

    def report(self, anomaly: FileAnomaly, _name: str, text: str) -> None:
        """Record an anomaly."""
        self.reports.append((anomaly, text))

    def anomalies(self) -> list[FileAnomaly]:
        """Return the reported anomalies."""
        return [anomaly for anomaly, _ in self.reports]

    def is_closed(self) -> bool:
        """Return whether all descriptors are closed."""
        return not any(os.path.exists(f"/proc/self/fd/{fd}") for fd in self.fds)


@pytest.mark.parametrize(
    ("number", "anomaly"),
    [
        (errno.ENOENT, FileAnomaly.VANISHED),
        (errno.ELOOP, FileAnomaly.VANISHED),
        (errno.EACCES, FileAnomaly.UNREADABLE),
        (errno.EIO, FileAnomaly.UNREADABLE),
        (errno.EMFILE, FileAnomaly.UNREADABLE),
    ],
)
def test_a_file_that_cannot_be_opened_is_reported(number: int, anomaly: FileAnomaly, tmp_path: Path) -> None:
    one = OneFile(tmp_path / "a.log", open_error=OSError(number, os.strerror(number)))
    read = one.access.read(one.file, one.buffer, lambda _file, _log: pytest.fail("the file is not open"))
    assert read == 0
    ((reported, text),) = one.reports
    assert reported == anomaly
    assert text.startswith(f"{tmp_path}/a.log ")
    assert text.endswith("; it is not archived")
    assert not one.access.inspect(one.file, one.buffer, lambda _: True)


def test_a_file_that_shrinks_is_read_again_and_a_failure_is_reported(tmp_path: Path) -> None:
    one = OneFile(tmp_path / "a.log")
    errors = iter([ShrankError(), ShrankError(), UnreadableError(OSError(errno.EIO, "Input/output error"))])

    def work(_file: LogFile, _log: LogReader) -> None:
        raise next(errors)

    one.access.read(one.file, one.buffer, work)
    assert one.anomalies() == [
        FileAnomaly.SHRANK,
        FileAnomaly.SHRANK,
        FileAnomaly.UNREADABLE,
    ]
    assert one.is_closed()


def test_a_file_that_keeps_shrinking_is_left_out(tmp_path: Path) -> None:
    one = OneFile(tmp_path / "a.log")

    def work(_file: LogFile, log: LogReader) -> None:
        log.read(0, log.status.st_size + 1)

    one.access.read(one.file, one.buffer, work)
    assert one.anomalies() == [FileAnomaly.SHRANK] * ATTEMPTS + [FileAnomaly.UNREADABLE]
    assert one.is_closed()


def test_a_stop_ends_the_attempts_to_read_a_shrinking_file(tmp_path: Path) -> None:
    one = OneFile(tmp_path / "a.log")
    stopping = FileAccess(one.open, lambda *_: None, iter([False, False, True]).__next__)

    def work(_file: LogFile, _log: LogReader) -> None:
        raise ShrankError

    with pytest.raises(StoppedError):
        stopping.read(one.file, one.buffer, work)
    assert one.is_closed()


def test_bytes_read_are_counted_and_the_file_is_closed(tmp_path: Path) -> None:
    one = OneFile(tmp_path / "a.log")
    assert one.access.read(one.file, one.buffer, lambda _, log: log.read(0, 2)) == 2  # type: ignore[arg-type]
    assert one.access.inspect(one.file, one.buffer, lambda log: bytes(log.read(0, 2)) == b"x\n")
    assert one.is_closed()
    assert one.reports == []


def test_check_stop_raises_when_stopping(tmp_path: Path) -> None:
    one = OneFile(tmp_path / "a.log")
    one.access.check_stop()
    with pytest.raises(StoppedError):
        FileAccess(one.open, lambda *_: None, lambda: True).check_stop()
