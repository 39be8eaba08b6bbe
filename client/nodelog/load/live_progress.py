"""Progress bars on a terminal while a load is sent or files are read; nothing if stderr is not a terminal."""

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

    from nodelog.load.generator.coordinator import ProgressSample
    from nodelog.load.generator.settings import Settings


@contextmanager
def show_sending(settings: Settings) -> Generator[Callable[[ProgressSample], None]]:
    """Show the progress of a load: its time or its bytes, whichever ends it first."""
    bar = Progress(
        TextColumn("sending"), BarColumn(), TextColumn("{task.fields[text]}"), console=Console(stderr=True)
    )
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    task = bar.add_task("", total=None, text="")

    def update(sample: ProgressSample) -> None:
        size = sample.lines * settings.line_size
        parts = []
        if settings.duration:
            parts.append(sample.seconds / settings.duration)
        if settings.total:
            parts.append(size / settings.total)
        rate = size / max(sample.seconds, 0.001)
        text = f"{sample.lines:,} lines, {rate / 1e6:,.0f} MB/s, {sample.connections} connections"
        if sample.reconnects:
            text += f", {sample.reconnects} reconnects"
        done = min(1.0, max(parts)) if parts else 0.0
        bar.update(task, completed=done, total=1.0 if parts else None, text=text)

    with bar:
        yield update


@contextmanager
def show_reading(files: list[Path]) -> Generator[Callable[[Path, int], None]]:
    """Show how much of the files has been read."""
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

    def update(path: Path, done: int) -> None:
        read[path] = done
        bar.update(task, completed=sum(read.values()))

    with bar:
        yield update
