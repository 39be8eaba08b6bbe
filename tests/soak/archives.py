"""A day of archives: `python -m tests.soak.archives`.

1,440 cycles of a real logcd on logs to which everything happens that happens to logs, a sparse one of 9 GiB
among them; it is ended and killed in between. After every cycle the archive has to hold exactly the
snapshots. Each member is read back; of the sparse one that is done now and then, and in the end, when all of
it is read as any tar does: else it is enough that its pieces are the same bytes as then. Prints a line every
hundred cycles, and FAULT for what must not be; exit code 1 then, and the files are kept.
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
from tests.soak.archive_life import BUSY, SPARSE, Life, Writer
from tests.waiting import wait_for

from nodelog import quantities
from nodelog.archive.archive_reader import Archive, open_archive

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY: Final = 1440
ALL: Final = 100
"""Every so many cycles everything is read without the index."""
RESTART, KILL = 0.04, 0.06
"""How many of the cycles begin with a restart, and with a kill in the middle of one."""
LONGEST: Final = 0.3
"""Seconds from the beginning of a cycle to its kill, at the most."""
PATIENCE: Final = 300.0  # seconds for the first cycle, which reads everything
CHUNK: Final = 1 << 20


class Fault(Exception):  # noqa: N818 (it is what was found)
    """What an archive has that it should not have, or the other way round."""


class Day:
    """One logcd and its logs, cycle after cycle."""

    def __init__(self, folder: Path, seed: int, sparse: int) -> None:
        """Begin: with its first cycle."""
        self.counts: Counter[str] = Counter()
        self.cycles = 0
        self._logs = folder / "log"
        self._logs.mkdir()
        self._chance = random.Random(seed)  # noqa: S311 (a seed makes it happen once more)
        self.life = Life(self._logs, self._chance, sparse)
        self._writer = Writer(self._logs / BUSY)
        self.logcd = Logcd(self._logs, [], logcd_environment(), [])
        self._sparse = (0, 0)  # the signature of the sparse log when it was read last
        self._busy = 0
        self._is_killed = False

    def run(self, cycles: int) -> None:
        """Live through so many cycles. Raises Fault."""
        with self._writer:
            self._wait_for_cycle()
            self.check()
            for number in range(1, cycles + 1):
                for _ in range(self._chance.randrange(4)):
                    self.counts[self.life.happen().partition(" ")[0]] += 1
                self._cycle()
                self.check()
                self.cycles = number
                if number % ALL == 0 or number == cycles:
                    self.check_all()
                    print(f"{number:5} cycles  {summary(self.counts)}", flush=True)

    def close(self) -> None:
        """Leave nothing running."""
        self.logcd.close()

    def _cycle(self) -> None:
        """Have it make one: by the one that lives, or by its successor."""
        self._writer.write()
        self._busy = (self._logs / BUSY).stat().st_size
        self._is_killed = False
        draw = self._chance.random()
        if draw < KILL:
            self._is_killed = True
            self.counts["killed"] += 1
            self.logcd.signal(signal.SIGHUP)
            time.sleep(self._chance.random() ** 2 * LONGEST)  # wherever it is then
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
        """Look into the archive by its index."""
        if left := [path.name for path in self._logs.iterdir() if ".tmp-" in path.name]:
            raise Fault(f"temporary files are left: {left}")
        with open_archive(self.logcd.archive) as archive:
            if archive.index is None:
                raise Fault(f"it has no index of its own: {archive.index_problem}")
            self._check_names(member.name for member in archive.index.members)
            for name in self.life.names() | {BUSY}:
                found = archive.find_last({self._member(name)})
                assert found is not None
                content = found.open_content()
                assert content is not None
                self._check_content(name, content.read())
            if _signature(archive, self._member(SPARSE)) != self._sparse:
                self.check_all()
        self.life.see()

    def check_all(self) -> None:
        """Read the archive as any tar does."""
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
        right = sorted(self._member(name) for name in self.life.names() | {BUSY, SPARSE})
        if (found := list(names)) != right:
            raise Fault(f"it has {found!a} and should have {right!a}")

    def _check_content(self, name: str, content: bytes) -> None:
        if name == BUSY:
            if fault := Writer.fault(content, self._busy):
                raise Fault(f"{name}: {fault}")
        elif content not in (right := self.life.expected(name, is_unsure=self._is_killed)):
            lengths = " or ".join(str(len(each)) for each in right)
            raise Fault(f"{name!a} has {len(content)} bytes, and should have {lengths}, or has others")

    def _check_sparse(self, content: IO[bytes]) -> None:
        at = 0
        with (self._logs / SPARSE).open("rb") as file:
            while data := file.read(CHUNK):
                if content.read(CHUNK) != data:
                    raise Fault(f"{SPARSE} is another one at byte {at} or behind it")
                at += len(data)
        if content.read(1):
            raise Fault(f"{SPARSE} has more than {at} bytes")

    def _member(self, name: str) -> str:
        return f"{self._logs}/{name}".lstrip("/")


def _signature(archive: Archive, name: str) -> tuple[int, int]:
    """Give the checksum of the compressed bytes of a large member, and that of what they are said to hold."""
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
    """Say what has happened."""
    return ", ".join(f"{what} {count}" for what, count in sorted(counts.items()) if count)


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--cycles", type=int, default=DAY, help=f"how many (default {DAY})")
    add(
        "--sparse",
        type=quantities.parse_size,
        default="9GiB",
        help="bytes of the log with a hole (default 9GiB)",
    )
    add("--seed", type=int, default=1, help="of what happens (default 1)")
    add("--dir", type=Path, help="where the logs lie (default: the temporary directory)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="archives-", dir=options.dir))
    day, start = Day(folder, options.seed, options.sparse), time.monotonic()
    try:
        day.run(options.cycles)
    except (Fault, AssertionError, pytest.fail.Exception, tarfile.TarError, OSError) as error:
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
