"""A start: take over what the last run left, however it ended.

Afterwards the active file, if there is one, holds whole lines, and of the acknowledged ones just those that
the table of streams knows. Whatever had to be cut off lies beside it. Each step may be the last one of this
run, too: the next start finds a state that it knows.
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
from nodelogd.collector.store.recovery import recover
from nodelogd.service.atomic_publish import sync_directory

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from nodelogd.collector.store.file_names import Names

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a new journal goes on."""

    streams: dict[bytes, int] = field(default_factory=dict)
    generation: int = 0
    number: int = 0  # of the last batch
    sealed: int  # the highest number given to a file
    born: float  # when the active file was begun, seconds since the epoch
    boot: bytes  # this run of the kernel
    result: str  # whole, cut, moved, no journal


def take_over(names: Names, *, boot: bytes) -> Start:
    """Recover the active file, finish a rotation that was cut short. Raises OSError; may be called again."""
    journal, header = _journal(names)
    if header is None:
        _cut_unfinished_line(names, names.last() + 1)
        return Start(sealed=names.last(), born=time.time(), boot=boot, result="no journal")
    owner = _find(names, header, boot)
    if owner != names.log:
        _cut_unfinished_line(names, max(names.last(), header.sealed) + 1)
    with _opened(owner) as fd:
        length = os.fstat(fd).st_size if owner else 0
        found = recover(journal, length, lambda at, size: os.pread(fd, size, at), boot=boot)
        # Under another name it may be another file: an inode is given away again once its file is gone.
        if cut := bool(found.reason) and owner in _known(names):
            _cut(names, fd, found.end, max(names.last(), header.sealed) + 1, found.reason)
    result = "cut" if cut else "moved" if found.reason or not owner else "whole"
    if owner == names.log:
        # Whatever somebody else appended behind our lines may end in the middle of one.
        _cut_unfinished_line(names, max(names.last(), header.sealed) + 1)
        if sealed := names.sealed_as(names.log.stat()):
            names.log.unlink()
            log.info("a rotation that was cut short is finished", extra={"path": str(sealed)})
            owner = sealed
    return Start(
        streams=found.streams,
        generation=header.generation,
        number=found.number - 1,
        sealed=max(names.last(), header.sealed),
        born=header.born if owner == names.log else time.time(),
        boot=boot,
        result=result,
    )


def _journal(names: Names) -> tuple[bytes, Header | None]:
    try:
        journal = names.journal.read_bytes()
        return journal, decode_header(journal)
    except FileNotFoundError:
        return b"", None
    except JournalError as error:
        aside = names.aside(names.last() + 1)
        while aside.exists():
            aside = names.aside(int(aside.name.rpartition("-")[2]) + 1)
        names.journal.rename(aside)
        log.warning("%s; it is set aside, the log is taken as it is", error, extra={"path": str(aside)})
        return b"", None


def _find(names: Names, header: Header, boot: bytes) -> Path | None:
    """Find the file a journal is about: at its place, under its sealed name, or where somebody moved it.

    All lie in one directory, so the inode tells them apart; the number of a device may change over a reboot.
    """
    known = _known(names)
    for path in [*known, *(entry for entry in names.directory.iterdir() if entry not in known)]:
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        same_device = status.st_dev == header.device or header.boot != boot
        if status.st_ino == header.inode and same_device and stat.S_ISREG(status.st_mode):
            return path
    return None


def _known(names: Names) -> list[Path]:
    """List the files that are ours by their names."""
    return [names.log, *(sealed.path for sealed in names.finished() if sealed.is_plain)]


@contextmanager
def _opened(path: Path | None) -> Generator[int]:
    """Open a file to be recovered; what was found is durable in the end."""
    if path is None:
        yield -1
        return
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield fd
        os.fsync(fd)
    finally:
        os.close(fd)


def _cut_unfinished_line(names: Names, number: int) -> None:
    if not names.log.exists():
        return
    with _opened(names.log) as fd:
        length = os.fstat(fd).st_size
        end = end_of_last_line(fd, length)
        if end < length:
            _cut(names, fd, end, number, "an unfinished last line")


def _cut(names: Names, fd: int, end: int, number: int, reason: str) -> None:
    """Cut a file at `end`; first keep what goes. If it cannot be kept, nothing is cut."""
    aside = names.torn(number)
    length = os.fstat(fd).st_size
    copy_tail(fd, end, aside)
    os.ftruncate(fd, end)
    os.fsync(fd)
    sync_directory(names.directory)
    log.warning(
        "the last run left an end that is not whole: %s; it is cut off and kept",
        reason,
        extra={"path": str(aside), "offset": end, "bytes": length - end},
    )
