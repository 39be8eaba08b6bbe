"""Everything logd counts, with its meaning. Counted where the fact occurs, listed here.

Lines are not among it: counting the LFs of a block costs 0.3 CPU-seconds per GB, half as much again as
all the rest of the way from socket to disk. Bytes are counted, and `wc -l` counts lines.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_ENDS = ("end of stream", "reset", "stop", "replaced", "buffer", "protocol", "idle", "no open")
"""Why connections are closed."""
_SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
_BYTES = (128, 1024, 8192, 65536, 262144, 524288, 1048576, 2097152)


class Metrics:
    """The metrics of one logd, in a registry of their own."""

    def __init__(self) -> None:
        """Make them all, at zero."""
        self.registry = r = CollectorRegistry()
        self.received = Counter("nodelog_received_bytes", "Bytes read from connections.", registry=r)
        self.added = Counter(
            "nodelog_added_bytes",
            "Bytes put in by logd: a stamp, an LF that was lacking, an LF in a message.",
            ["what"],
            registry=r,
        )
        self.overhead = Counter(
            "nodelog_relp_overhead_bytes",
            "Bytes of RELP that are not lines: headers, offers, messages that were too large.",
            registry=r,
        )
        self.frames = Counter("nodelog_relp_frames", "RELP frames taken, of all kinds.", registry=r)
        self.rejected = Counter(
            "nodelog_rejected_messages", "RELP messages refused because they were too large.", registry=r
        )
        self.written = Counter("nodelog_written_bytes", "Bytes written to the log.", registry=r)
        self.dropped = Counter(
            "nodelog_dropped_bytes",
            "Bytes of unfinished lines and frames dropped, by reason.",
            ["reason"],
            registry=r,
        )
        self.dropped_lines = Counter(
            "nodelog_dropped_lines", "Unfinished lines dropped, by reason.", ["reason"], registry=r
        )
        self.split_lines = Counter(
            "nodelog_split_lines", "Pieces cut from lines, by reason.", ["reason"], registry=r
        )
        self.batch_bytes = Histogram(
            "nodelog_batch_bytes", "Size of what is written at once.", buckets=_BYTES, registry=r
        )
        self.write_seconds = Histogram(
            "nodelog_write_seconds", "Journal record and write of a batch.", buckets=_SECONDS, registry=r
        )
        self.sync_seconds = Histogram("nodelog_sync_seconds", "One fdatasync.", buckets=_SECONDS, registry=r)
        self.failures = Counter(
            "nodelog_write_failures",
            "Writes and syncs that failed and were tried again.",
            ["what"],
            registry=r,
        )
        self.last_write = Gauge(
            "nodelog_last_write_timestamp_seconds",
            "When a batch was last written, since the epoch.",
            registry=r,
        )
        self.held = Gauge(
            "nodelog_held_bytes",
            "Bytes received and not written yet, against nodelog_buffer_bytes.",
            registry=r,
        )
        self.buffer = Gauge("nodelog_buffer_bytes", "The --buffer option.", registry=r)
        self.paused = Counter(
            "nodelog_paused_seconds",
            "Time in which no connection was read because the disk lagged.",
            registry=r,
        )
        self.connections = Gauge("nodelog_connections", "Open connections.", registry=r)
        self.accepted = Counter("nodelog_connections_accepted", "Connections accepted.", registry=r)
        self.closed = Counter(
            "nodelog_connections_closed", "Connections closed, by reason.", ["reason"], registry=r
        )
        self.waiting = Gauge(
            "nodelog_accept_waiting",
            "1 while new connections wait because --max-connections are open.",
            registry=r,
        )
        self.foreign = Counter(
            "nodelog_foreign_writes",
            "Times somebody else changed the log, by what they did.",
            ["what"],
            registry=r,
        )
        self.rotations = Counter("nodelog_rotations", "Files sealed.", registry=r)
        self.compressed = Counter("nodelog_compressed_files", "Sealed files compressed.", registry=r)
        self.removed = Counter(
            "nodelog_removed_files", "Sealed files removed, by reason.", ["reason"], registry=r
        )
        self.streams = Gauge("nodelog_streams", "Streams whose last block is known.", registry=r)
        self.sealed_files = Gauge("nodelog_sealed_files", "Sealed files on disk.", registry=r)
        self.sealed_bytes = Gauge("nodelog_sealed_bytes", "Bytes of sealed files on disk.", registry=r)
        self.disk_free = Gauge("nodelog_disk_free_bytes", "Space left on the log's file system.", registry=r)
        self.recoveries = Counter(
            "nodelog_recoveries", "What starts found: whole, cut, moved, no journal.", ["result"], registry=r
        )
        self._begin()

    def _begin(self) -> None:
        """Show them at zero before there is something to count: what is not there does not grow."""
        for metric, values in (
            (self.added, ("newline", "escape", "stamp")),
            (self.dropped, _ENDS),
            (self.dropped_lines, _ENDS),
            (self.closed, _ENDS),
            (self.split_lines, ("buffer", "max-line")),
            (self.failures, ("open", "write", "sync")),
        ):
            for value in values:
                metric.labels(value)
