"""All metrics of the agent with their meanings. They are updated where the events occur."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class Metrics:
    """The metrics of one agent, in a registry of their own."""

    def __init__(self) -> None:
        """Create all metrics at zero."""
        self.registry = r = CollectorRegistry()
        self.ready = Gauge("nodelog_agent_ready", "1 while /readyz returns 200.", registry=r)
        self.probes = Counter(
            "nodelog_agent_canary_probes", "Probes sent to the collector, by result.", ["result"], registry=r
        )
        for result in ("ok", "failed"):
            self.probes.labels(result)
        self.probe_seconds = Histogram(
            "nodelog_agent_canary_seconds",
            "Time from connecting to the acknowledgement of a probe.",
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
            "nodelog_agent_daemon_ready",
            "1 while the daemon reports that it is ready.",
            ["daemon"],
            registry=r,
        )
        self.daemon_restarts = Counter(
            "nodelog_agent_daemon_restarts",
            "Restarts of the daemon that the agent noticed.",
            ["daemon"],
            registry=r,
        )
        self.daemon_version = Gauge(
            "nodelog_agent_daemon_version", "1 for the running version.", ["daemon", "version"], registry=r
        )
        self.child_ends = Counter(
            "nodelog_agent_child_ends", "Times a child ended without being stopped.", ["child"], registry=r
        )
        self.disk_size = Gauge(
            "nodelog_agent_disk_size_bytes", "Size of the file system.", ["path"], registry=r
        )
        self.disk_free = Gauge(
            "nodelog_agent_disk_free_bytes",
            "Space left on the file system for users other than root.",
            ["path"],
            registry=r,
        )
        self.disk_growth = Gauge(
            "nodelog_agent_disk_growth_bytes_per_second",
            "Growth of the bytes in use per second, measured over --growth-window.",
            ["path"],
            registry=r,
        )
        self.disk_inodes = Gauge(
            "nodelog_agent_disk_inodes",
            "Inodes of the file system; 0: not limited.",
            ["path"],
            registry=r,
        )
        self.disk_inodes_free = Gauge(
            "nodelog_agent_disk_inodes_free", "Inodes left on the file system.", ["path"], registry=r
        )
        self.disk_inodes_growth = Gauge(
            "nodelog_agent_disk_growth_inodes_per_second",
            "Growth of the inodes in use per second, measured over --growth-window; 0: not limited.",
            ["path"],
            registry=r,
        )
        self.disk_full = Gauge(
            "nodelog_agent_disk_full_seconds",
            "Time until no byte or no inode is left if growth continues; +Inf: never, 0: full.",
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
            "Interval of logcd's cycles; an archive older than three times this is late.",
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
        self.ledger_difference = Gauge(
            "nodelog_agent_ledger_difference_bytes",
            "Bytes received by logd that are neither written nor held nor dropped.",
            registry=r,
        )
        self.tails = Gauge("nodelog_agent_tail_readers", "Readers of /tail.", registry=r)
        self.skipped = Counter(
            "nodelog_agent_tail_skipped_bytes", "Bytes of the log that readers of /tail skipped.", registry=r
        )
        self.faults = Counter(
            "nodelog_agent_faults",
            "Checks that failed with a fault of the agent itself.",
            ["eye"],
            registry=r,
        )
