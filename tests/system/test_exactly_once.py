"""The exactly-once test of `make soak`, for seconds and with few clients; and that it detects faults."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.soak.exactly_once import ExactlyOnceRun, report_line
from tests.soak.exactly_once_scenes import SCENES, Scene, Target, kill
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

RUN = ExactlyOnceRun(seconds=0.8, clients=3, rate=2_000, restart_interval=0.5)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_lines_from_a_spool_are_stored_once_and_whole(tmp_path: Path, scene: Scene) -> None:
    outcome = RUN.run(scene, tmp_path)
    assert outcome.faults == ()
    assert outcome.restarts >= 1
    assert outcome.client_kills == RUN.clients
    assert outcome.verdict.counts.received >= outcome.spooled > 0
    assert "0 lost, 0 doubled, 0 torn" in report_line(scene, outcome)


def test_lines_removed_from_the_log_are_reported_as_lost(tmp_path: Path) -> None:
    def rob(target: Target) -> None:
        wait_for(lambda: target.logd.log.stat().st_size, "the log has lines")
        target.logd.kill()
        target.logd.log.write_bytes(b"")
        target.logd.restart()

    outcome = replace(RUN, seconds=0.2, clients=2).run(Scene(name="robbed", restart=rob), tmp_path)
    assert any(fault.endswith("lines lost") for fault in outcome.faults)


def test_a_client_that_exits_by_itself_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "client0.spool").write_bytes(b"this is no spool")
    outcome = replace(RUN, seconds=0.2, clients=1).run(Scene(name="dead", restart=kill), tmp_path)
    assert any(fault.startswith("client0 exited with 2: ") for fault in outcome.faults)
