"""The metrics of logd and their meaning. They are counted where the fact occurs and listed here.

Lines are not counted: counting the LFs of a block takes 0.3 CPU-seconds per GB, half as much as the rest of
the path from socket to disk. Bytes are counted; `wc -l` counts lines.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_CLOSE_REASONS = (
    "end of stream", "reset", "stop", "replaced", "buffer", "protocol", "idle", "no open", "dead peer",
    "no memory",
)  # fmt: skip
"""Values of the label `reason` of closed connections and of what was dropped with them."""
_SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
_BYTES = (128, 1024, 8192, 65536, 262144, 524288, 1048576, 2097152)


class Metrics:
    """The metrics of one logd, in their own registry."""

    def __init__(self) -> None:
        """Create all metrics, at zero."""
        self.registry = r = CollectorRegistry()
        self.received = Counter("nodelog_received_bytes", "Bytes read from connections.", registry=r)
        self.added = Counter(
            "nodelog_added_bytes",
            "Bytes added by logd: stamps, missing LFs at the end of lines, escaped LFs in messages.",
            ["what"],
            registry=r,
        )
        self.overhead = Counter(
            "nodelog_relp_overhead_bytes",
            "Bytes of RELP and framings that are not lines: headers, offers, messages that were too large.",
            registry=r,
        )
        self.frames = Counter("nodelog_relp_frames", "RELP frames received, of all kinds.", registry=r)
        self.rejected = Counter(
            "nodelog_rejected_messages", "RELP messages rejected because they were too large.", registry=r
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
        self.batch_bytes = Histogram("nodelog_batch_bytes", "Bytes per batch.", buckets=_BYTES, registry=r)
        self.write_seconds = Histogram(
            "nodelog_write_seconds",
            "Time to write a batch and its journal record.",
            buckets=_SECONDS,
            registry=r,
        )
        self.sync_seconds = Histogram(
            "nodelog_sync_seconds", "Time of one fdatasync.", buckets=_SECONDS, registry=r
        )
        self.failures = Counter(
            "nodelog_write_failures",
            "Writes, syncs and rotations that failed and were retried, by operation.",
            ["what"],
            registry=r,
        )
        self.last_write = Gauge(
            "nodelog_last_write_timestamp_seconds",
            "Time of the last written batch, since the epoch.",
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
            "Time in which no connection was read because the disk was too slow.",
            registry=r,
        )
        self.connections = Gauge("nodelog_connections", "Open connections.", registry=r)
        self.accepted = Counter("nodelog_connections_accepted", "Connections accepted.", registry=r)
        self.closed = Counter(
            "nodelog_connections_closed", "Connections closed, by reason.", ["reason"], registry=r
        )
        self.unended = Gauge(
            "nodelog_unended_connections",
            "Connections that hold 4 KiB or more, or another framing, without an LF.",
            registry=r,
        )
        self.waiting = Gauge(
            "nodelog_accept_waiting",
            "1 while new connections wait because --max-connections are open.",
            registry=r,
        )
        self.foreign = Counter(
            "nodelog_foreign_writes",
            "Changes to the log by another process, by kind.",
            ["what"],
            registry=r,
        )
        self.rotations = Counter("nodelog_rotations", "Files sealed.", registry=r)
        self.compressed = Counter("nodelog_compressed_files", "Sealed files compressed.", registry=r)
        self.removed = Counter(
            "nodelog_removed_files", "Sealed files removed, by reason.", ["reason"], registry=r
        )
        self.streams = Gauge("nodelog_streams", "Streams whose last block number is known.", registry=r)
        self.sealed_files = Gauge("nodelog_sealed_files", "Sealed files on disk.", registry=r)
        self.sealed_bytes = Gauge("nodelog_sealed_bytes", "Bytes of sealed files on disk.", registry=r)
        self.disk_free = Gauge("nodelog_disk_free_bytes", "Space left on the log's file system.", registry=r)
        self.recoveries = Counter(
            "nodelog_recoveries",
            "Starts, by the state of the log they found: whole, cut, moved, no journal.",
            ["result"],
            registry=r,
        )
        self._create_labels()

    def _create_labels(self) -> None:
        """Create the known labels at zero: a series that appears with its first event shows no increase."""
        for metric, values in (
            (self.added, ("newline", "escape", "stamp")),
            (self.dropped, _CLOSE_REASONS),
            (self.dropped_lines, _CLOSE_REASONS),
            (self.closed, _CLOSE_REASONS),
            (self.split_lines, ("buffer", "max-line")),
            (self.failures, ("open", "write", "sync", "rotate")),
        ):
            for value in values:
                metric.labels(value)
