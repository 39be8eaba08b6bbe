"""Everything logcd counts, with its meaning. Counted where the fact occurs, listed here."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """The metrics of one logcd, in a registry of their own."""

    def __init__(self) -> None:
        """Make them all, at zero."""
        self.registry = r = CollectorRegistry()
        self.cycles = Counter(
            "nodelog_archive_cycles",
            "Cycles, by result: published, unchanged, empty, failed, stopped.",
            ["result"],
            registry=r,
        )
        self.seconds = Histogram(
            "nodelog_archive_cycle_seconds",
            "One cycle, from its start to its end.",
            buckets=_SECONDS,
            registry=r,
        )
        self.cpu = Counter(
            "nodelog_archive_cycle_cpu_seconds",
            "Processor time of the cycles, user and system.",
            registry=r,
        )
        self.read = Counter("nodelog_archive_read_bytes", "Bytes read from log files.", registry=r)
        self.compressed = Counter(
            "nodelog_archive_compressed_bytes", "Bytes of the tar stream that were compressed.", registry=r
        )
        self.copied = Counter(
            "nodelog_archive_copied_bytes",
            "Compressed bytes copied from the last archive, inside the kernel.",
            registry=r,
        )
        self.size = Gauge("nodelog_archive_size_bytes", "Size of the archive of today.", registry=r)
        self.files = Gauge("nodelog_archive_files", "Files in the archive of today.", registry=r)
        self.changed = Counter(
            "nodelog_archive_changed_files",
            "Files that were new or had changed, over all cycles.",
            registry=r,
        )
        self.unusual = Counter(
            "nodelog_archive_unusual_files",
            "Files with which something unusual was met, over all cycles, by case.",
            ["case"],
            registry=r,
        )
        self.last_success = Gauge(
            "nodelog_archive_last_success_timestamp_seconds",
            "When a cycle last succeeded, since the epoch.",
            registry=r,
        )
        self.age = Gauge(
            "nodelog_archive_age_seconds",
            "Time since the start of the cycle that last succeeded: what is older is in the archive.",
            registry=r,
        )
        self.scrubs = Counter(
            "nodelog_archive_scrubs",
            "Scrubs, by what they found: clean, edited, damaged.",
            ["result"],
            registry=r,
        )
        self.last_scrub = Gauge(
            "nodelog_archive_last_scrub_timestamp_seconds",
            "When the last scrub was, since the epoch.",
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
            "nodelog_archive_disk_free_bytes", "Space left on the archives' file system.", registry=r
        )
        # At zero before there is something to count: what is not there does not grow.
        for metric, values in (
            (self.cycles, ("published", "unchanged", "empty", "failed", "stopped")),
            (self.scrubs, ("clean", "edited", "damaged")),
        ):
            for value in values:
                metric.labels(value)
