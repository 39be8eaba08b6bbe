"""The loads of a round: each is a process that reports at its end how many lines it has sent.

All mark and number their lines like `nodelog load`, so that `nodelog verify` can check them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
NODELOG = Path(sys.executable).with_name("nodelog")
LOAD = (str(NODELOG), "load")
NC_LIKE = (sys.executable, str(Path(__file__).with_name("nc_like_clients.py")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One of the loads of a round."""

    name: str
    connections: int
    line_size: int
    """Bytes."""
    write_size: str
    rate: int | None
    """Lines per second over all connections; None means as fast as they are accepted."""
    total: int | None = None
    """Bytes, if there is no rate."""
    program: tuple[str, ...] = LOAD
    """Accepts the options of `nodelog load` and prints the same JSON: `run`, and `sent` by connection."""
    reconnects: bool = False
    """Whether it keeps opening connections, and tolerates that nothing listens."""

    def command(self, port: int, run: str, seconds: float) -> list[str]:
        """Return the command that sends the load."""
        options = {
            "host": "127.0.0.1",
            "port": port,
            "run": run,
            "connections": self.connections,
            "line-size": self.line_size,
            "write-size": self.write_size,
            "rate": self.rate,
            "bytes": self.total,
            "duration": f"{seconds:.3f}s",
        }
        arguments = [f"--{name}={value}" for name, value in options.items() if value is not None]
        return [*self.program, *arguments, "--json"]

    def volume(self, seconds: float) -> int:
        """Return how many bytes it sends at most."""
        if self.rate is not None:
            return round(self.rate * self.line_size * seconds)
        assert self.total is not None, f"{self.name} has neither a rate nor a total"
        return self.total


BLOCKS = Load(name="blocks", connections=16, line_size=128, write_size="64KiB", rate=100_000)
FLAT_OUT = Load(name="flat", connections=64, line_size=128, write_size="64KiB", rate=None, total=3 * GIB)
LINES = Load(name="lines", connections=100, line_size=128, write_size="line", rate=5_000)
LARGE = Load(name="large", connections=8, line_size=1024, write_size="64KiB", rate=6_000)
IDLE = Load(name="idle", connections=1_000, line_size=128, write_size="line", rate=10)
LONG = Load(
    name="long",
    connections=4,
    line_size=200_000,
    write_size="50001",
    rate=10,
    program=NC_LIKE,
    reconnects=True,
)
"""Clients as people write them: long lines in pieces, and the last line without an LF."""

MIXED = (BLOCKS, LINES, LARGE, IDLE, LONG)
FULL = (FLAT_OUT, LINES, LARGE, IDLE, LONG)
