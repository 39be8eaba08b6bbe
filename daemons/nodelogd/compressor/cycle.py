"""One cycle: what has changed is compressed, the rest copied, and an archive published that is whole."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nodelog.archive.index import index_path, parse_index
from nodelogd.compressor.archive.assembly import Assembly
from nodelogd.compressor.archive.output import LostError, Output, shares_extents
from nodelogd.compressor.archive.previous_archive import NO_ARCHIVE, Last, last_of, stamp, stamp_of
from nodelogd.compressor.format.member_table import Contents
from nodelogd.compressor.format.pieces import GZIP_HEADER, ending
from nodelogd.compressor.plan.change_detection import items
from nodelogd.compressor.plan.planning import Keep, Make, planned
from nodelogd.compressor.scan.file_access import Case, Outside, StoppedError
from nodelogd.compressor.upkeep.scrub import Scrubbed, damage, edited, is_index_of
from nodelogd.service.atomic_publish import publish_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from nodelogd.compressor.scan.discovery import Found

__all__ = ["Archive", "Case", "Outcome", "Scrubbed", "StoppedError"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a cycle did."""

    published: bool
    """False if nothing had changed, and nothing was written."""
    files: int
    """In the archive."""
    archive_size: int
    changed: int = 0
    """Files that were new or had changed."""
    bytes_read: int = 0
    bytes_compressed: int = 0
    """Of the tar stream."""
    bytes_copied: int = 0
    """Of the last archive."""


class Archive:
    """Makes an archive again and again, and remembers what the last one holds; one cycle at a time.

    Whoever calls holds the lock of the archives. Whatever ends a cycle early leaves the last archive alone.
    """

    def __init__(self, *, mode: int = 0o600) -> None:
        """Begin without a memory; archives and their indexes get this mode."""
        self._mode = mode
        self._last: Last | None = None
        self._sharing: dict[int, bool] = {}

    def run(  # noqa: PLR0913, PLR0917 (the seam to the daemon: what there is, and the world)
        self,
        found: Sequence[Found],
        open_file: Callable[[Found], int],
        target: Path,
        seed: Path | None,
        report: Callable[[Case, str, str], None],
        stopping: Callable[[], bool],
    ) -> Outcome:
        """Bring the archive `target` up to `found`; where there is none it begins with what `seed` has.

        Raises StoppedError, and OSError if the archive cannot be made; a file that cannot be read is reported
        and left out, but an archive of none never takes the place of one of some.
        """
        outside = Outside(open_file, report, stopping)
        path = target if target.exists() else seed
        with self._begun(path) as (last, fd):
            contents = last.contents
            listed = list(items(found, contents, outside))
            steps = list(planned(listed, contents.sizes))
            if path == target and last.is_all(steps):
                return self._unchanged(target, last, len(listed))
            with self._distrusting(path, last):
                made, outcome = self._publish(target, Work(found, steps, last, fd, outside))
        self._last = made
        made.publish_index(target, self._mode)
        return replace(outcome, changed=sum(not item.is_unchanged for item in listed))

    def scrub(
        self,
        found: Sequence[Found],
        open_file: Callable[[Found], int],
        target: Path,
        report: Callable[[Case, str, str], None],
        stopping: Callable[[], bool],
    ) -> Scrubbed:
        """Read the archive `target` and all that it holds once more; the next cycle mends what is wrong.

        Raises StoppedError, and OSError if the archive or its index cannot be read.
        """
        outside = Outside(open_file, report, stopping)
        with self._begun(target) as (last, fd):
            if fd is None or last.trailer is None:
                return Scrubbed()  # nothing is known of it; the next cycle makes all of it anew
            index = parse_index(last.encoded())
            if bad := damage(index, fd, outside):
                self._distrust(target, last)
                return Scrubbed(damage=bad)
            if not is_index_of(target, index):
                last.index = None
            other = list(edited(index, found, outside))
        if other:  # a process that comes next, should this one die, is not to take it for archived
            index_path(target).unlink(missing_ok=True)
            last.index = None
        for each in other:
            last.contents.forget(each.name)
            outside.tell(Case.EDITED, each, "was edited where it was archived already; it is archived anew")
        return Scrubbed(edited=len(other))

    def _distrust(self, target: Path, last: Last) -> None:
        """Have everything made anew, by whoever is next."""
        index_path(target).unlink(missing_ok=True)
        self._last = Last(Contents([]), last.archive)

    @contextmanager
    def _distrusting(self, path: Path | None, last: Last) -> Generator[None]:
        """Rely no more on an archive that cannot be read, or each cycle to come would fail as this one."""
        try:
            yield
        except LostError:
            assert path is not None  # noqa: S101 (without one nothing is copied)
            self._distrust(path, last)
            raise

    @contextmanager
    def _begun(self, path: Path | None) -> Generator[tuple[Last, int | None]]:
        """Open the last archive; give what it holds."""
        if path is None or not path.exists():
            yield NO_ARCHIVE, None
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if self._last is None or self._last.archive != stamp(os.fstat(fd)):
                self._last = last_of(path, fd)
            yield self._last, fd
        finally:
            os.close(fd)

    def _unchanged(self, target: Path, last: Last, files: int) -> Outcome:
        """Write nothing, unless the index is not as we left it."""
        if last.index != stamp_of(index_path(target)):
            last.publish_index(target, self._mode)
        return Outcome(published=False, files=files, archive_size=last.archive.size)

    def _publish(self, target: Path, work: Work) -> tuple[Last, Outcome]:
        with publish_atomically(target, mode=self._mode) as file:
            output = Output(file.fileno(), work.fd)
            assembly = Assembly(
                output, work.outside, work.last.contents, is_sharing=self._is_sharing(file.fileno())
            )
            output.put(GZIP_HEADER)
            work.done(assembly)
            if not assembly.units:
                raise OSError(errno.ENODATA, f"none of {len(work.found)} files could be read")
            whole = assembly.end()
            data, trailer = ending(whole)
            output.put(data)
            output.flush()
            for _ in output.checked():
                work.outside.check()
            contents = Contents(assembly.units)
            contents.go_on_from(work.last.contents)
            made = Last(
                contents,
                stamp(os.fstat(file.fileno())),
                trailer=trailer,
                end=whole.lines,
            )
        return made, Outcome(
            published=True,
            files=sum(made.contents.sizes),
            archive_size=trailer.length,
            bytes_read=assembly.bytes_read,
            bytes_compressed=output.compressed,
            bytes_copied=output.copied,
        )

    def _is_sharing(self, fd: int) -> bool:
        device = os.fstat(fd).st_dev
        if device not in self._sharing:
            self._sharing[device] = shares_extents(fd)
        return self._sharing[device]


@dataclass(frozen=True, slots=True)
class Work:
    """What a cycle has to do."""

    found: Sequence[Found]
    steps: Sequence[Keep | Make]
    last: Last
    fd: int | None
    outside: Outside

    def done(self, assembly: Assembly) -> None:
        """Do it, in order."""
        for step in self.steps:
            match step:
                case Keep(unit):
                    assembly.keep(unit)
                case Make(items, is_large=True):
                    assembly.large(self.found[items[0].file])
                case Make(items):
                    assembly.group((self.found[item.file], item.is_unchanged) for item in items)
