"""Startup: recover what the last run left, however it ended.

Afterwards the active file, if there is one, holds whole lines, and of the acknowledged ones exactly those
that the stream table knows. Whatever had to be cut off is kept beside it. The process may crash after any
step: the next start finds a state that it can handle.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nodelogd.collector.store.file_operations import copy_tail, end_of_last_line
from nodelogd.collector.store.journal_format import Header, JournalError, decode_header
from nodelogd.collector.store.recovery import find_recovery_point
from nodelogd.service.files.atomic_publish import sync_directory

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from nodelogd.collector.store.file_names import FileNames

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartState:
    """The state from which a new journal continues."""

    streams: dict[bytes, int] = field(default_factory=dict)
    generation: int = 0
    last_batch: int = 0  # its number
    last_sealed: int  # the highest number given to a file
    created_at: float  # when the active file was created, seconds since the epoch
    boot_id: bytes  # of the current boot
    result: str  # whole, cut, moved, no journal


def recover_log(names: FileNames, *, boot_id: bytes) -> StartState:
    """Recover the active file and finish an interrupted rotation. Raises OSError; may be called again."""
    journal, header = _read_journal(names)
    if header is None:
        _cut_unfinished_line(names, names.last_number() + 1)
        return StartState(
            last_sealed=names.last_number(), created_at=time.time(), boot_id=boot_id, result="no journal"
        )
    owner = _find_owner(names, header, boot_id)
    if owner != names.log:
        _cut_unfinished_line(names, max(names.last_number(), header.last_sealed) + 1)
    with _opening(owner) as fd:
        length = os.fstat(fd).st_size if owner else 0
        point = find_recovery_point(journal, length, lambda at, size: os.pread(fd, size, at), boot_id=boot_id)
        # A file with another name may be a different one: an inode is reused once its file is gone.
        if cut := bool(point.cut_reason) and owner in _own_files(names):
            _cut(names, fd, point.end, max(names.last_number(), header.last_sealed) + 1, point.cut_reason)
    result = "cut" if cut else "moved" if point.cut_reason or not owner else "whole"
    if owner == names.log:
        # What another program appended behind our lines may end in the middle of a line.
        _cut_unfinished_line(names, max(names.last_number(), header.last_sealed) + 1)
        if sealed := names.find_sealed(names.log.stat()):
            owner = _finish_rotation(names, sealed)
    if result == "moved":
        log.warning("the file that the journal describes is gone; continuing in a new one")
    return StartState(
        streams=point.streams,
        generation=header.generation,
        last_batch=point.next_number - 1,
        last_sealed=max(names.last_number(), header.last_sealed),
        created_at=header.created_at if owner == names.log else time.time(),
        boot_id=boot_id,
        result=result,
    )


def _finish_rotation(names: FileNames, sealed: Path) -> Path:
    """Remove the old name of a file that has its final one; return the name that it has now."""
    try:
        names.log.unlink()
    except OSError as error:
        text = "cannot remove the name %s of the sealed file %s: %s; the log goes on in it"
        log.warning(text, names.log, sealed.name, error.strerror)
        return names.log
    log.info("an interrupted rotation is finished", extra={"path": str(sealed)})
    return sealed


def _read_journal(names: FileNames) -> tuple[bytes, Header | None]:
    try:
        journal = names.journal.read_bytes()
        return journal, decode_header(journal)
    except FileNotFoundError:
        return b"", None
    except JournalError as error:
        aside = names.unusable_journal_path(names.last_number() + 1)
        while aside.exists():
            aside = names.unusable_journal_path(int(aside.name.rpartition("-")[2]) + 1)
        names.journal.rename(aside)
        log.warning(
            "%s; the journal is set aside, the log is used as it is", error, extra={"path": str(aside)}
        )
        return b"", None


def _find_owner(names: FileNames, header: Header, boot_id: bytes) -> Path | None:
    """Return the file that a journal describes: the log, a sealed file, or a file moved away from its path.

    All are in one directory, so the inode identifies it; the number of a device may change over a reboot.
    """
    own = _own_files(names)
    for path in [*own, *(entry for entry in names.directory.iterdir() if entry not in own)]:
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        is_same_device = status.st_dev == header.device or header.boot_id != boot_id
        if status.st_ino == header.inode and is_same_device and stat.S_ISREG(status.st_mode):
            return path
    return None


def _own_files(names: FileNames) -> list[Path]:
    """List the log and the uncompressed sealed files, which are ours by their names."""
    return [names.log, *(sealed.path for sealed in names.sealed_files() if sealed.is_plain)]


@contextmanager
def _opening(path: Path | None) -> Generator[int]:
    """Open the file to recover, and sync it in the end; -1 if there is none."""
    if path is None:
        yield -1
        return
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield fd
        os.fsync(fd)
    finally:
        os.close(fd)


def _cut_unfinished_line(names: FileNames, number: int) -> None:
    if not names.log.exists():
        return
    with _opening(names.log) as fd:
        length = os.fstat(fd).st_size
        end = end_of_last_line(fd, length)
        if end < length:
            _cut(names, fd, end, number, "an unfinished last line")


def _cut(names: FileNames, fd: int, end: int, number: int, reason: str) -> None:
    """Copy what lies behind `end` to a torn file, then cut it off. If the copy fails, nothing is cut."""
    torn = names.torn_path(number)
    length = os.fstat(fd).st_size
    copy_tail(fd, end, torn)
    os.ftruncate(fd, end)
    os.fsync(fd)
    sync_directory(names.directory)
    log.warning(
        "the last run left an incomplete end: %s; it is cut off and kept",
        reason,
        extra={"path": str(torn), "offset": end, "bytes": length - end},
    )
