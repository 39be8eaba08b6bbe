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
def test_what_was_in_a_spool_is_stored_once_and_whole(tmp_path: Path, scene: Scene) -> None:
    done = RUN.run(scene, tmp_path)
    assert done.faults == ()
    assert done.restarts >= 1
    assert done.client_kills == RUN.clients
    assert done.verdict.counts.received >= done.spooled > 0
    assert "0 lost, 0 doubled, 0 torn" in report_line(scene, done)


def test_lines_that_somebody_takes_out_of_the_log_are_found_to_be_lost(tmp_path: Path) -> None:
    def robbed(target: Target) -> None:
        wait_for(lambda: target.logd.log.stat().st_size, "there is something to take")
        target.logd.kill()
        target.logd.log.write_bytes(b"")
        target.logd.restart()

    done = replace(RUN, seconds=0.2, clients=2).run(Scene(name="robbed", restart=robbed), tmp_path)
    assert any(fault.endswith("lines lost") for fault in done.faults)


def test_a_client_that_dies_of_itself_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "client0.spool").write_bytes(b"this is no spool")
    done = replace(RUN, seconds=0.2, clients=1).run(Scene(name="dead", restart=kill), tmp_path)
    assert any(fault.startswith("client0 exited with 2: ") for fault in done.faults)
