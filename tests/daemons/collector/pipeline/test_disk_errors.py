from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.pipeline.disk_errors import DiskErrors
from nodelogd.service.health import Health

if TYPE_CHECKING:
    import pytest

DISK_FULL = OSError(errno.ENOSPC, "", "/log")
MESSAGE = "cannot write /log: No space left on device; reading is paused, nothing is lost, retrying every 1 s"


def test_a_repeated_error_is_logged_once_and_reported_until_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    metrics, health = Metrics(), Health()
    disk_errors = DiskErrors(Path("/log"), metrics, health)
    for _ in range(3):
        disk_errors.report(DISK_FULL, "write")
    assert caplog.messages == [MESSAGE]
    assert health.not_ready_reasons() == {"disk": MESSAGE}
    disk_errors.report(OSError(errno.EIO, ""), "sync")
    assert "cannot sync /log: Input/output error" in caplog.messages[1]
    disk_errors.note_success()
    disk_errors.note_success()
    assert health.not_ready_reasons() == {}
    assert metrics.registry.get_sample_value("nodelog_write_failures_total", {"what": "write"}) == 3
