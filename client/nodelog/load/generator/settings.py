"""The settings of a load: the collector, the connections, the amount, the rate, and the processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from nodelog.load.line_format import MAX_CONNECTIONS, LineFormat

MAX_WRITE_SIZE: Final = 1 << 20
_BILLION: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One load. With neither `duration` nor `total` it runs until it is stopped."""

    host: str = "127.0.0.1"
    port: int = 6666
    run: str
    connections: int = 64
    line_size: int = 128
    """Bytes, including the line feed."""
    write_size: int = 64 * 1024
    """Bytes per write, rounded down to whole lines; 0: one line per write."""
    per_connection: int | None = None
    """Lines after which a client ends its connection and makes another one; None: it keeps it."""
    rate: int | None = None
    """Lines per second over all connections; None: as fast as they are accepted."""
    duration: float | None = None
    """Seconds."""
    total: int | None = None
    """Bytes over all connections, rounded up to whole lines."""
    processes: int = 1
    protocol: Literal["lines", "relp"] = "lines"
    frames: Literal["lines", "syslog"] = "lines"
    """With relp: a write is one frame of all its lines, or one message per line."""
    window: int = 1 << 20
    """With relp: bytes of lines that may be unacknowledged per connection; one write always may."""
    through_restarts: bool = False
    """Reconnect to a collector that is away, also at the end, until everything is acknowledged."""

    def __post_init__(self) -> None:
        """Raise ValueError for settings that do not fit together."""
        _ = self.line_format
        if self.connections > MAX_CONNECTIONS:
            raise ValueError(f"{self.connections} connections, at most {MAX_CONNECTIONS} allowed")
        if self.processes > self.connections:
            raise ValueError(f"{self.processes} processes for {self.connections} connections: some have none")
        if self.write_size and not self.line_size <= self.write_size <= MAX_WRITE_SIZE:
            raise ValueError(
                f"writes of {self.write_size} bytes, {self.line_size} (a line) to {MAX_WRITE_SIZE} allowed"
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
        """The format of its lines."""
        return LineFormat(self.run, self.line_size)

    @property
    def write_lines(self) -> int:
        """Number of lines per write."""
        lines = max(1, self.write_size // self.line_size)
        return min(lines, self.per_connection or lines)

    def connection_numbers(self, process: int) -> range:
        """Return the numbers of the connections of a process."""
        return range(process, self.connections, self.processes)

    def line_quota(self, connection: int) -> int | None:
        """Return the number of lines that a connection sends; None: no limit."""
        if self.total is None:
            return None
        lines, rest = divmod(-(-self.total // self.line_size), self.connections)
        return lines + (connection < rest)

    def due_at(self, connection: int, write_index: int) -> int:
        """Return when a write is due, in nanoseconds from the start: all writes are evenly spread."""
        if self.rate is None:
            return 0
        return (write_index * self.connections + connection) * self.write_lines * _BILLION // self.rate

    def lines_due(self, connection: int, elapsed: int) -> int:
        """Return how many lines of a connection are due before `elapsed` nanoseconds from the start."""
        if self.rate is None:
            return 0
        writes = -(-elapsed * self.rate // (self.write_lines * _BILLION))
        lines = max(0, -((connection - writes) // self.connections)) * self.write_lines
        quota = self.line_quota(connection)
        return lines if quota is None else min(lines, quota)
