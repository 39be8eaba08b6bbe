"""Everything the agent counts, with its meaning. Counted where the fact occurs, listed here."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class Metrics:
    """The metrics of one agent, in a registry of their own."""

    def __init__(self) -> None:
        """Make them all, at zero."""
        self.registry = r = CollectorRegistry()
        self.ready = Gauge("nodelog_agent_ready", "1 while /readyz says 200.", registry=r)
        self.probes = Counter(
            "nodelog_agent_canary_probes", "Probes sent to the collector, by result.", ["result"], registry=r
        )
        for result in ("ok", "failed"):
            self.probes.labels(result)
        self.probe_seconds = Histogram(
            "nodelog_agent_canary_seconds",
            "From connecting to the acknowledgement of a probe.",
            buckets=_SECONDS,
            registry=r,
        )
        self.probe_ok = Gauge("nodelog_agent_canary_ok", "1 while the last probe succeeded.", registry=r)
        self.probe_success = Gauge(
            "nodelog_agent_canary_last_success_timestamp_seconds",
            "When a probe last succeeded, since the epoch; before the first one, when the agent started.",
            registry=r,
        )
        self.daemon_up = Gauge(
            "nodelog_agent_daemon_up", "1 while the daemon answers over HTTP.", ["daemon"], registry=r
        )
        self.daemon_ready = Gauge(
            "nodelog_agent_daemon_ready", "1 while the daemon says that it is ready.", ["daemon"], registry=r
        )
        self.daemon_restarts = Counter(
            "nodelog_agent_daemon_restarts", "Restarts of the daemon that were seen.", ["daemon"], registry=r
        )
        self.daemon_version = Gauge(
            "nodelog_agent_daemon_version", "1 for the version that runs.", ["daemon", "version"], registry=r
        )
        self.child_ends = Counter(
            "nodelog_agent_child_ends", "Times a child ended unasked.", ["child"], registry=r
        )
        self.disk_size = Gauge(
            "nodelog_agent_disk_size_bytes", "Size of the file system.", ["path"], registry=r
        )
        self.disk_free = Gauge(
            "nodelog_agent_disk_free_bytes",
            "Space left on the file system, for those who are not root.",
            ["path"],
            registry=r,
        )
        self.disk_growth = Gauge(
            "nodelog_agent_disk_growth_bytes_per_second",
            "How many more bytes were used per second within --growth-window.",
            ["path"],
            registry=r,
        )
        self.disk_inodes = Gauge(
            "nodelog_agent_disk_inodes",
            "Inodes of the file system; 0: it has no limit.",
            ["path"],
            registry=r,
        )
        self.disk_inodes_free = Gauge(
            "nodelog_agent_disk_inodes_free", "Inodes left on the file system.", ["path"], registry=r
        )
        self.disk_inodes_growth = Gauge(
            "nodelog_agent_disk_growth_inodes_per_second",
            "How many more inodes were used per second within --growth-window; 0 where there is no limit.",
            ["path"],
            registry=r,
        )
        self.disk_full = Gauge(
            "nodelog_agent_disk_full_seconds",
            "Time until no byte or no inode is left if it goes on like this; +Inf: never, 0: it is full.",
            ["path"],
            registry=r,
        )
        self.archive_age = Gauge(
            "nodelog_agent_archive_age_seconds",
            "Time since the newest archive was known to be up to date.",
            registry=r,
        )
        self.archive_interval = Gauge(
            "nodelog_agent_archive_interval_seconds",
            "Time between two cycles of logcd; an archive that is three times as old is late.",
            registry=r,
        )
        self.archive_size = Gauge(
            "nodelog_agent_archive_size_bytes", "Size of the newest archive; 0: there is none.", registry=r
        )
        self.verifications = Counter(
            "nodelog_agent_archive_verifications", "Archives read back, by result.", ["result"], registry=r
        )
        for result in ("ok", "damaged", "failed"):
            self.verifications.labels(result)
        self.verified_ok = Gauge(
            "nodelog_agent_archive_ok", "0 if the archive was damaged when it was last read back.", registry=r
        )
        self.verified_ok.set(1)
        self.verified_at = Gauge(
            "nodelog_agent_archive_verified_timestamp_seconds",
            "When an archive was last read back, since the epoch; 0: not yet.",
            registry=r,
        )
        self.ledger = Gauge(
            "nodelog_agent_ledger_difference_bytes",
            "Bytes received by logd that are neither written nor held nor dropped.",
            registry=r,
        )
        self.tails = Gauge("nodelog_agent_tail_readers", "Readers of /tail.", registry=r)
        self.skipped = Counter(
            "nodelog_agent_tail_skipped_bytes", "Bytes of the log that readers of /tail skipped.", registry=r
        )
        self.faults = Counter(
            "nodelog_agent_faults", "Looks that ended in a fault of the agent itself.", ["eye"], registry=r
        )
