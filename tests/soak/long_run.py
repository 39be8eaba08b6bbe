"""Many gigabytes through logd with rotation, gzip and retention on: `python -m tests.soak.long_run`.

Several processes send blocks of 64 KiB of numbered 128-byte lines as fast as they are taken. Prints rate,
memory and files per GB. Exit 1 if the last quarter is slower or larger than the first, or if what is left on
the disk is not whole lines, each once and in its order, up to the last one that was sent.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import Process
from pathlib import Path
from typing import TYPE_CHECKING

from tests.running import Logd, wait_for

from nodelog import units
from nodelogd.collector.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterable

GB = 10**9
MIB = 1024**2
LENGTH = 128  # bytes of a line
LINES = 512  # in a block
BLOCK = LENGTH * LINES
DIGITS = 10  # of the number of a block
FORM = re.compile(rb"(?:[a-z] \d{10} \d{3} x{110}\n)*")
SLOWER = (
    0.7  # the share of the first quarter's rate that the last one has at least; a node has other work, too
)
LARGER = 8 * MIB  # bytes that the last quarter may take more than the first


class Blocks:
    """The blocks of one sender: `a 0000000007 042 xxx…`, number of the block and of the line in it."""

    def __init__(self, name: str) -> None:
        """Begin before block 0."""
        lines = (f"{name} {0:0{DIGITS}} {number:03} ".encode() for number in range(LINES))
        self._block = bytearray(b"".join(line.ljust(LENGTH - 1, b"x") + b"\n" for line in lines))
        self._digits = bytes(DIGITS)

    def block(self, number: int) -> bytearray:
        """Give a block; good until the next call."""
        digits = f"{number:0{DIGITS}}".encode()
        for place, (old, new) in enumerate(zip(self._digits, digits, strict=True)):
            if old != new:  # one digit in ten blocks of eleven: all its copies are put in at once
                self._block[2 + place :: LENGTH] = bytes([new]) * LINES
        self._digits = digits
        return self._block


@dataclass(frozen=True, slots=True)
class Mark:
    """Where it stood after a gigabyte."""

    time: float  # seconds
    written: float  # bytes
    rss: int  # bytes


def send(port: int, name: str, count: int) -> None:
    """Send so many blocks; return when logd has read them."""
    blocks = Blocks(name)
    with socket.create_connection(("127.0.0.1", port)) as client:
        for number in range(count):
            client.sendall(blocks.block(number))
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def run(logd: Logd, senders: int, count: int) -> list[Mark]:
    """Send all and write down how it goes."""
    marks = [Mark(time.monotonic(), 0.0, logd.rss())]
    names = [chr(ord("a") + number) for number in range(senders)]
    processes = [Process(target=send, args=(logd.port, name, count), daemon=True) for name in names]
    for process in processes:
        process.start()
    total = senders * count * BLOCK
    while marks[-1].written < total:
        goal = min(total, marks[-1].written + GB)
        # No time limit but for silence: a disk may be slow.
        wait_for(lambda goal=goal: written(logd) >= goal, "a gigabyte is written", patience=600)  # type: ignore[misc]
        marks.append(Mark(time.monotonic(), written(logd), logd.rss()))
        print(line(logd, marks), flush=True)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    return marks


def written(logd: Logd) -> float:
    return logd.metric("nodelog_written_bytes_total")


def line(logd: Logd, marks: list[Mark]) -> str:
    before, now = marks[-2:]
    rate = (now.written - before.written) / (now.time - before.time)
    values = {
        what: logd.metric(f"nodelog_{what}")
        for what in ("rotations_total", "compressed_files_total", "removed_files_total", "sealed_bytes")
    }
    return (
        f"{now.written / GB:6.1f} GB  {rate / GB:.2f} GB/s  RSS {now.rss / 1e6:.1f} MB  "
        f"sealed {values['rotations_total']:.0f}  compressed {values['compressed_files_total']:.0f}  "
        f"removed {values['removed_files_total']:.0f}  on disk {values['sealed_bytes'] / 1e6:.0f} MB"
    )


def faults_of_pace(marks: list[Mark]) -> list[str]:
    """Compare the last quarter with the first; the start is not part of it."""
    quarter = max(1, (len(marks) - 1) // 4)
    first, last = marks[: quarter + 1], marks[-quarter - 1 :]
    rates = [(part[-1].written - part[0].written) / (part[-1].time - part[0].time) for part in (first, last)]
    sizes = [max(mark.rss for mark in part[1:]) for part in (first, last)]
    print(
        f"first quarter {rates[0] / GB:.2f} GB/s, RSS up to {sizes[0] / 1e6:.1f} MB; "
        f"last {rates[1] / GB:.2f} GB/s, {sizes[1] / 1e6:.1f} MB"
    )
    faults = []
    if rates[1] < SLOWER * rates[0]:
        faults.append("the last quarter is slower than the first")
    if sizes[1] > sizes[0] + LARGER:
        faults.append("the last quarter is larger than the first")
    return faults


def faults_of_lines(log: Path, count: int) -> list[str]:
    """Read what is left, file by file."""
    sealed = [each.path for each in Names.of(log).finished()]
    expected: dict[bytes, int] = {}  # the next line of each sender
    lines = 0
    for path in [*sealed, log]:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if not FORM.fullmatch(data):
            return [f"{path.name} has a torn line"]
        lines += len(data) // LENGTH
        for name, number in numbers(data):
            if expected.setdefault(name, number) != number:
                return [f"{path.name}: {name.decode()} {number} where {expected[name]} should be"]
            expected[name] = number + 1
    print(f"{lines} lines are left, in {len(sealed) + 1} files")
    # Of a sender that was through early nothing may be left, of each other one the last line.
    if set(expected.values()) != {count * LINES}:
        return [f"the last lines are not there: {expected}"]
    return []


def numbers(data: bytes) -> Iterable[tuple[bytes, int]]:
    for start in range(0, len(data), LENGTH):
        name, block, number = data[start : start + 16].split(b" ")
        yield name, int(block) * LINES + int(number)


def main() -> int:
    """Run once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=20.0, help="sent in all (default 20)")
    parser.add_argument("--senders", type=int, default=3, help="processes, one connection each (default 3)")
    parser.add_argument("--rotate-size", default="256MiB")
    parser.add_argument(
        "--keep-bytes", type=units.size, default="2GiB", help="of sealed files (default 2GiB)"
    )
    parser.add_argument("--dir", type=Path, help="where the log lies (default: the temporary directory)")
    options = parser.parse_args()
    count = max(1, int(options.gigabytes * GB) // options.senders // BLOCK)
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        settings = [f"--rotate-size={options.rotate_size}", f"--keep-bytes={options.keep_bytes}"]
        logd = Logd(Path(directory) / "node_log", settings, dict(os.environ), [])
        try:
            logd.wait_ready()
            marks = run(logd, options.senders, count)
            code = logd.stop()
        finally:
            logd.close()
        faults = [f"logd exited with {code}"] if code else []
        faults += [record["message"] for record in logd.records() if record["level"] in {"warning", "error"}]
        faults += faults_of_pace(marks) + faults_of_lines(logd.log, count)
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
