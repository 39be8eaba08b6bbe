"""A spool for several processes: each has a file of its own, and takes over what ended processes left.

`{pid}` in the name of a spool, or a folder, asks for it: servers start their workers as processes that know
nothing of each other and have the same configuration. A process that uses it twice, or two containers with
the same process id, get files with a number: `app-7.spool`, `app-7-2.spool`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from nodelog.spool.blocks import SpoolError, SpoolInUseError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.orphans import child_spool_path

PID: Final = "{pid}"
_NAME_IN_FOLDER: Final = f"nodelog-{PID}.spool"
_MAX_FILES: Final = 64  # of one process


def spool_path(spool: str) -> str:
    """Return the path that a user's `spool` means; a folder, made if it ends with `/`, means a file in it.

    Raises SpoolError.
    """
    if PID in spool:
        if spool.count(PID) > 1 or PID not in Path(spool).name or Path(spool).name == PID:
            raise SpoolError(f"spool {spool}: {PID} must be a part of the file's name, as in app-{PID}.spool")
        return spool
    folder = Path(spool)
    if spool.endswith("/"):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SpoolError(f"cannot make the spool {folder}: {error.strerror}; choose another") from None
    return str(folder / _NAME_IN_FOLDER) if folder.is_dir() else spool


def forked_spool_path(path: str) -> str:
    """Return what a forked child uses instead of its parent's `path`."""
    return path if PID in path else child_spool_path(path)


def open_spool(path: str, *, is_child_spool: bool = False) -> FileSpool:
    """Open the spool at a path of `spool_path`, with `{pid}` in the first file that is free.

    Raises SpoolError.
    """
    if PID not in path:
        return FileSpool(path, is_child_spool=is_child_spool)
    siblings = _siblings(Path(path).name)
    for number in range(1, _MAX_FILES):
        own = f"{os.getpid()}" if number == 1 else f"{os.getpid()}-{number}"
        try:
            return FileSpool(path.replace(PID, own), is_child_spool=True, siblings=siblings)
        except SpoolInUseError:
            continue
    raise SpoolError(f"spool {path}: process {os.getpid()} uses {_MAX_FILES - 1} files of it; choose another")


def _siblings(name: str) -> re.Pattern[str]:
    """Return the names that other processes give to their files, and their children to theirs."""
    before, after = map(re.escape, name.split(PID))
    return re.compile(rf"{before}[0-9]{{1,10}}(-[0-9]{{1,2}})?{after}(\.child-[0-9]+)*")
