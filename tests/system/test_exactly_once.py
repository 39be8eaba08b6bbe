"""What `make soak` proves for minutes with 50 clients, for seconds with a few; and that it would notice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.soak.exactly_once import Play, line
from tests.soak.once_scenes import SCENES, Place, Scene, killed
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

PLAY = Play(seconds=0.8, clients=3, rate=2_000, every=0.5)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_what_was_in_a_spool_is_stored_once_and_whole(tmp_path: Path, scene: Scene) -> None:
    done = PLAY.act(scene, tmp_path)
    assert done.faults == ()
    assert done.ends >= 1
    assert done.client_kills == PLAY.clients
    assert done.verdict.account.received >= done.spooled > 0
    assert "0 lost, 0 doubled, 0 torn" in line(scene, done)


def test_lines_that_somebody_takes_out_of_the_log_are_found_to_be_lost(tmp_path: Path) -> None:
    def robbed(place: Place) -> None:
        wait_for(lambda: place.logd.log.stat().st_size, "there is something to take")
        place.logd.kill()
        place.logd.log.write_bytes(b"")
        place.logd.restart()

    done = replace(PLAY, seconds=0.2, clients=2).act(Scene(name="robbed", happens=robbed), tmp_path)
    assert any(fault.endswith("lines lost") for fault in done.faults)


def test_a_client_that_dies_of_itself_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "client0.spool").write_bytes(b"this is no spool")
    done = replace(PLAY, seconds=0.2, clients=1).act(Scene(name="dead", happens=killed), tmp_path)
    assert any(fault.startswith("client0 exited with 2: ") for fault in done.faults)
