"""The metrics of logcd and their meaning. They are counted where the fact occurs and listed here."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """The metrics of one logcd, in their own registry."""

    def __init__(self) -> None:
        """Create all metrics, at zero."""
        self.registry = r = CollectorRegistry()
        self.cycles = Counter(
            "nodelog_archive_cycles",
            "Cycles, by result: published, unchanged, empty, failed, stopped.",
            ["result"],
            registry=r,
        )
        self.cycle_seconds = Histogram(
            "nodelog_archive_cycle_seconds",
            "Duration of a cycle, from its start to its end.",
            buckets=_SECONDS,
            registry=r,
        )
        self.cycle_cpu = Counter(
            "nodelog_archive_cycle_cpu_seconds",
            "Processor time of the cycles, user and system.",
            registry=r,
        )
        self.bytes_read = Counter("nodelog_archive_read_bytes", "Bytes read from log files.", registry=r)
        self.bytes_compressed = Counter(
            "nodelog_archive_compressed_bytes", "Bytes of the tar stream that were compressed.", registry=r
        )
        self.bytes_copied = Counter(
            "nodelog_archive_copied_bytes",
            "Compressed bytes copied from the last archive, inside the kernel.",
            registry=r,
        )
        self.archive_size = Gauge("nodelog_archive_size_bytes", "Size of today's archive.", registry=r)
        self.archive_files = Gauge("nodelog_archive_files", "Files in today's archive.", registry=r)
        self.changed_files = Counter(
            "nodelog_archive_changed_files",
            "Files that were new or had changed, over all cycles.",
            registry=r,
        )
        self.unusual_files = Counter(
            "nodelog_archive_unusual_files",
            "Files with an anomaly, over all cycles, by case.",
            ["case"],
            registry=r,
        )
        self.last_success = Gauge(
            "nodelog_archive_last_success_timestamp_seconds",
            "Time of the last successful cycle, since the epoch.",
            registry=r,
        )
        self.age = Gauge(
            "nodelog_archive_age_seconds",
            "Time since the start of the last successful cycle: older lines are in the archive.",
            registry=r,
        )
        self.scrubs = Counter(
            "nodelog_archive_scrubs",
            "Scrubs, by result: clean, edited, damaged.",
            ["result"],
            registry=r,
        )
        self.last_scrub = Gauge(
            "nodelog_archive_last_scrub_timestamp_seconds",
            "Time of the last scrub, since the epoch.",
            registry=r,
        )
        self.archives = Gauge("nodelog_archives", "Archives on disk.", registry=r)
        self.archives_bytes = Gauge(
            "nodelog_archives_bytes", "Bytes of archives and indexes on disk.", registry=r
        )
        self.removed = Counter(
            "nodelog_archives_removed", "Archives removed, by reason.", ["reason"], registry=r
        )
        self.disk_free = Gauge(
            "nodelog_archive_disk_free_bytes", "Free space on the file system of the archives.", registry=r
        )
        # Present at zero before the first event: rate() sees no increase in a series that starts at one.
        for metric, values in (
            (self.cycles, ("published", "unchanged", "empty", "failed", "stopped")),
            (self.scrubs, ("clean", "edited", "damaged")),
        ):
            for value in values:
                metric.labels(value)
