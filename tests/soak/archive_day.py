"""Soak test: a day of archives (`python -m tests.soak.archive_day`).

1,440 cycles of a real logcd on logs that change in every way logs do, a sparse one of 9 GiB among them; logcd
is restarted and killed in between. After every cycle, the archive must contain exactly the snapshots. Each
member is read back. The sparse one is read only every hundred cycles and at the end, when the whole archive
is read as any tar would; in between, its compressed pieces are compared with those of the last reading, and
if they differ, everything is read. Prints a line every hundred cycles, and FAULT for a fault; then the exit
code is 1, and the files are kept.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import pytest
from tests.processes.logcd import Logcd, logcd_environment
from tests.soak.changing_logs import BUSY, SPARSE, ChangingLogs, SteadyWriter
from tests.waiting import wait_for

from nodelog import quantities
from nodelog.archive.archive_reader import Archive, open_archive

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY: Final = 1440
FULL_CHECK_EVERY: Final = 100
"""Cycles from one check that reads everything, without the index, to the next."""
RESTART, KILL = 0.04, 0.06
"""The share of cycles that begin with a restart, and with a kill during a cycle."""
MAX_KILL_DELAY: Final = 0.3
"""Seconds at most from the start of a cycle to the kill."""
PATIENCE: Final = 300.0  # seconds for the first cycle, which reads everything
CHUNK: Final = 1 << 20


class ArchiveFault(Exception):  # noqa: N818 (it is the result of a check)
    """An archive that does not contain exactly what it should."""


class ArchiveDay:
    """A logcd and its logs over many cycles."""

    def __init__(self, folder: Path, seed: int, sparse: int) -> None:
        """Start logcd, which begins with a cycle."""
        self.counts: Counter[str] = Counter()
        self.cycles = 0
        self._logs = folder / "log"
        self._logs.mkdir()
        self._chance = random.Random(seed)  # noqa: S311 (a seed makes the run repeatable)
        self.logs = ChangingLogs(self._logs, self._chance, sparse)
        self._writer = SteadyWriter(self._logs / BUSY)
        self.logcd = Logcd(self._logs, [], logcd_environment(), [])
        self._sparse = (0, 0)  # the signature of the sparse log when it was last read
        self._busy = 0
        self._was_killed = False

    def run(self, cycles: int) -> None:
        """Run this many cycles. Raises ArchiveFault."""
        with self._writer:
            self._wait_for_cycle()
            self.check()
            for number in range(1, cycles + 1):
                for _ in range(self._chance.randrange(4)):
                    self.counts[self.logs.change_one().partition(" ")[0]] += 1
                self._cycle()
                self.check()
                self.cycles = number
                if number % FULL_CHECK_EVERY == 0 or number == cycles:
                    self.check_all()
                    print(f"{number:5} cycles  {summary(self.counts)}", flush=True)

    def close(self) -> None:
        """Kill logcd."""
        self.logcd.close()

    def _cycle(self) -> None:
        """Run a cycle: by the running logcd, or after a kill or restart by the next one."""
        self._writer.write()
        self._busy = (self._logs / BUSY).stat().st_size
        self._was_killed = False
        draw = self._chance.random()
        if draw < KILL:
            self._was_killed = True
            self.counts["killed"] += 1
            self.logcd.signal(signal.SIGHUP)
            time.sleep(self._chance.random() ** 2 * MAX_KILL_DELAY)  # at any point of the cycle
            self.logcd.kill()
            self._writer.write()
            self.logcd.restart(ready=False)
        elif draw < KILL + RESTART:
            self.counts["restarted"] += 1
            self.logcd.restart(ready=False)
        else:
            self.logcd.cycle()
            return
        self._wait_for_cycle()

    def _wait_for_cycle(self) -> None:
        wait_for(self.logcd.cycles, "the first cycle has ended", patience=PATIENCE)

    def check(self) -> None:
        """Check the archive by its index."""
        if left := [path.name for path in self._logs.iterdir() if ".tmp-" in path.name]:
            raise ArchiveFault(f"temporary files are left: {left}")
        with open_archive(self.logcd.archive) as archive:
            if archive.index is None:
                raise ArchiveFault(f"it has no index: {archive.index_problem}")
            self._check_names(member.name for member in archive.index.members)
            for name in self.logs.names() | {BUSY}:
                member = archive.find_last({self._member(name)})
                assert member is not None
                content = member.open_content()
                assert content is not None
                self._check_content(name, content.read())
            if _signature(archive, self._member(SPARSE)) != self._sparse:
                self.check_all()
        self.logs.note_cycle()

    def check_all(self) -> None:
        """Read the whole archive as any tar would, and check it."""
        names = []
        with tarfile.open(self.logcd.archive, "r|gz", errorlevel=2) as tar:
            for info in tar:
                names.append(info.name)
                content, name = tar.extractfile(info), info.name.removeprefix(self._member(""))
                assert content is not None
                if name == SPARSE:
                    self._check_sparse(content)
        self._check_names(names)
        with open_archive(self.logcd.archive) as archive:
            self._sparse = _signature(archive, self._member(SPARSE))
        self.counts["read as a whole"] += 1

    def _check_names(self, names: Iterable[str]) -> None:
        expected = sorted(self._member(name) for name in self.logs.names() | {BUSY, SPARSE})
        if (actual := list(names)) != expected:
            raise ArchiveFault(f"it has {actual!a} and should have {expected!a}")

    def _check_content(self, name: str, content: bytes) -> None:
        if name == BUSY:
            if fault := SteadyWriter.fault(content, self._busy):
                raise ArchiveFault(f"{name}: {fault}")
        elif fault := self.logs.check(name, content, was_interrupted=self._was_killed):
            raise ArchiveFault(fault)

    def _check_sparse(self, content: IO[bytes]) -> None:
        offset = 0
        with (self._logs / SPARSE).open("rb") as file:
            while data := file.read(CHUNK):
                if content.read(CHUNK) != data:
                    raise ArchiveFault(f"{SPARSE} differs at byte {offset} or after it")
                offset += len(data)
        if content.read(1):
            raise ArchiveFault(f"{SPARSE} has more than {offset} bytes")

    def _member(self, name: str) -> str:
        return f"{self._logs}/{name}".lstrip("/")


def _signature(archive: Archive, name: str) -> tuple[int, int]:
    """Return checksums of a large member: of its compressed bytes, and of the sizes and CRCs in the index."""
    assert archive.index is not None
    (member,) = (each for each in archive.index.members if each.name == name)
    end = member.content + member.length
    packed = plain = 0
    for piece in archive.index.pieces:
        if member.content <= piece.start < end:
            packed = zlib.crc32(os.pread(archive.file.fileno(), piece.length, piece.offset), packed)
            plain = zlib.crc32(b"%d %d" % (piece.size, piece.crc), plain)
    return packed, plain


def summary(counts: Counter[str]) -> str:
    """Return the counts of what has happened."""
    return ", ".join(f"{what} {count}" for what, count in sorted(counts.items()) if count)


def main() -> int:
    """Run the soak test and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--cycles", type=int, default=DAY, help=f"number of cycles (default {DAY})")
    add(
        "--sparse",
        type=quantities.parse_size,
        default="9GiB",
        help="size of the sparse log (default 9GiB)",
    )
    add("--seed", type=int, default=1, help="seed of the changes (default 1)")
    add("--dir", type=Path, help="where to write the logs (default: the temporary directory)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="archives-", dir=options.dir))
    day, start = ArchiveDay(folder, options.seed, options.sparse), time.monotonic()
    try:
        day.run(options.cycles)
    except (ArchiveFault, AssertionError, pytest.fail.Exception, tarfile.TarError, OSError) as error:
        print(f"FAULT: {str(error)[:1000]}; seed {options.seed}, the files are in {folder}", flush=True)
        return 1
    except KeyboardInterrupt:
        print("interrupted: no fault so far", flush=True)
    finally:
        day.close()
    shutil.rmtree(folder)
    print(f"{day.cycles} cycles in {(time.monotonic() - start) / 60:.1f} min, 0 faults")
    return 0


if __name__ == "__main__":
    sys.exit(main())
