"""Bars on a terminal while a load is sent or files are read; nothing where nobody looks."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from nodelog.load.generator.coordinator import Moment
    from nodelog.load.generator.settings import Settings


@contextmanager
def sending(settings: Settings) -> Generator[Callable[[Moment], None]]:
    """Show how far a load is: its time or its bytes, whichever ends it first."""
    bar = Progress(
        TextColumn("sending"), BarColumn(), TextColumn("{task.fields[said]}"), console=Console(stderr=True)
    )
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    task = bar.add_task("", total=None, said="")

    def tell(moment: Moment) -> None:
        size = moment.lines * settings.line_size
        parts = []
        if settings.duration:
            parts.append(moment.seconds / settings.duration)
        if settings.total:
            parts.append(size / settings.total)
        rate = size / max(moment.seconds, 0.001)
        said = f"{moment.lines:,} lines, {rate / 1e6:,.0f} MB/s, {moment.open} connections"
        if moment.reconnects:
            said += f", {moment.reconnects} reconnects"
        done = min(1.0, max(parts)) if parts else 0.0
        bar.update(task, completed=done, total=1.0 if parts else None, said=said)

    with bar:
        yield tell


@contextmanager
def reading(files: list[Path]) -> Generator[Callable[[Path, int], None]]:
    """Show how much of the files is read."""
    columns = (
        TextColumn("reading"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    if not sys.stderr.isatty():
        yield lambda _path, _done: None
        return
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    task = bar.add_task("", total=sum(sizes.values()))
    read: dict[Path, int] = {}

    def tell(path: Path, done: int) -> None:
        read[path] = done
        bar.update(task, completed=sum(read.values()))

    with bar:
        yield tell
