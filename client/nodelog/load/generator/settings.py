"""What a load is: who is sent to, over how many connections, how much, how fast, by how many processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from nodelog.load.line_format import MAX_CONNECTIONS, LineFormat

LARGEST_WRITE: Final = 1 << 20
_BILLION: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One load. With neither `duration` nor `total` it goes on until told to stop."""

    host: str = "127.0.0.1"
    port: int = 6666
    run: str
    connections: int = 64
    line_size: int = 128
    """Bytes, with the line feed."""
    write_size: int = 64 * 1024
    """Bytes per write, rounded down to whole lines; 0: one line per write."""
    per_connection: int | None = None
    """Lines after which a client ends its connection and makes another one; None: it keeps it."""
    rate: int | None = None
    """Lines per second of all connections together; None: as fast as they are taken."""
    duration: float | None = None
    """Seconds."""
    total: int | None = None
    """Bytes of all connections together, rounded up to whole lines."""
    processes: int = 1
    protocol: Literal["lines", "relp"] = "lines"
    frames: Literal["lines", "syslog"] = "lines"
    """With relp: a write is one frame of all its lines, or a message of each."""
    window: int = 1 << 20
    """With relp: bytes of lines of a connection that may be unacknowledged; one write may always be."""
    through_restarts: bool = False
    """Wait for a collector that is away, at the end too, until all is acknowledged."""

    def __post_init__(self) -> None:
        """Refuse what cannot be sent."""
        _ = self.line_format
        if self.connections > MAX_CONNECTIONS:
            raise ValueError(f"{self.connections} connections, at most {MAX_CONNECTIONS} allowed")
        if self.processes > self.connections:
            raise ValueError(f"{self.processes} processes for {self.connections} connections: some have none")
        if self.write_size and not self.line_size <= self.write_size <= LARGEST_WRITE:
            raise ValueError(
                f"writes of {self.write_size} bytes, {self.line_size} (a line) to {LARGEST_WRITE} allowed"
            )
        if self.per_connection:
            self._check_per_connection(self.per_connection)
        if self.protocol == "lines" and (self.frames == "syslog" or self.through_restarts):
            what = "frames" if self.frames == "syslog" else "acknowledgements to wait for"
            raise ValueError(f"lines have no {what}: add --protocol relp")

    def _check_per_connection(self, lines: int) -> None:
        if self.protocol != "lines":
            raise ValueError("connections of some lines each are for --protocol lines")
        if lines % self.write_lines:
            text = f"{lines} lines per connection are not whole writes of {self.write_lines} lines each"
            raise ValueError(f"{text}: change --write-size")

    @property
    def line_format(self) -> LineFormat:
        """What its lines look like."""
        return LineFormat(self.run, self.line_size)

    @property
    def write_lines(self) -> int:
        """How many lines are one write."""
        lines = max(1, self.write_size // self.line_size)
        return min(lines, self.per_connection or lines)

    def numbers(self, process: int) -> range:
        """Give the connections of a process."""
        return range(process, self.connections, self.processes)

    def quota(self, connection: int) -> int | None:
        """Give the lines that a connection sends; None: no limit."""
        if self.total is None:
            return None
        each, rest = divmod(-(-self.total // self.line_size), self.connections)
        return each + (connection < rest)

    def planned(self, connection: int, nth: int) -> int:
        """Say when a connection's nth write is due, in nanoseconds from the start: all are evenly spread."""
        if self.rate is None:
            return 0
        return (nth * self.connections + connection) * self.write_lines * _BILLION // self.rate

    def due(self, connection: int, elapsed: int) -> int:
        """Give the lines of a connection that are due before so many nanoseconds from the start are over."""
        if self.rate is None:
            return 0
        writes = -(-elapsed * self.rate // (self.write_lines * _BILLION))
        lines = max(0, -((connection - writes) // self.connections)) * self.write_lines
        quota = self.quota(connection)
        return lines if quota is None else min(lines, quota)
