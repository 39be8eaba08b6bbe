"""The mixed load of `make soak`, for seconds instead of an hour; and that it detects faults."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.soak import fault_rules
from tests.soak.loads import LARGE, LINES, MIXED
from tests.soak.mixed_load import MixedLoadSoak, schedule, summary
from tests.soak.mixed_load_scenes import CALM, HANGUP, KILLED, ONE_PROCESS, TERMINATED, Scene
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.logd import Logd

MIB = 1 << 20
SECONDS = 0.5
FEW = (LINES, LARGE)
GOOD = fault_rules.LoadResult(
    load="lines", sent=10, bytes=1280, lost=0, gaps=0, doubled=0, torn=0, reordered=0, unknown=0
)


def run_soak(folder: Path, *scenes: Scene) -> MixedLoadSoak:
    soak = MixedLoadSoak(folder, SECONDS, "1MiB")
    soak.run(scenes, max(scene.volume(SECONDS) for scene in scenes))
    return soak


def test_a_mixed_load_stays_whole_through_rotation_and_restarts(tmp_path: Path) -> None:
    soak = run_soak(tmp_path, CALM, replace(TERMINATED, loads=FEW), replace(KILLED, loads=FEW))
    assert soak.faults == []
    assert [one.memory.restarts for one in soak.rounds] == [0, 1, 1]
    found = [[load.load for load in one.results] for one in soak.rounds]
    assert found == [[load.name for load in loads] for loads in (MIXED, FEW, FEW)]
    assert any(one.sealed for one in soak.rounds)
    assert "3 rounds" in summary(soak, 60)
    assert not list(tmp_path.glob("round-*"))


def test_lines_removed_by_another_program_are_a_fault_and_the_files_are_kept(tmp_path: Path) -> None:
    def empty_log(logd: Logd, _files: Path) -> None:
        wait_for(lambda: logd.log.stat().st_size, "the log has lines")
        logd.log.write_bytes(b"")
        wait_for(lambda: logd.records("another program changed"), "logd has noticed it")

    soak = run_soak(
        tmp_path, Scene(name="robbed", loads=(LINES,), event=empty_log), replace(HANGUP, loads=(LINES,))
    )
    assert any("lines: " in fault and "lost" in fault for fault in soak.faults)
    assert any("another program changed the log" in fault for fault in soak.faults)
    assert all(fault.startswith("round 1 (robbed)") for fault in soak.faults)
    assert [path.name for path in tmp_path.glob("round-*")] == ["round-1"]


def test_a_dead_logd_ends_the_run_with_a_fault(tmp_path: Path) -> None:
    def kill_logd(logd: Logd, _files: Path) -> None:
        logd.kill()

    soak = run_soak(tmp_path, Scene(name="dead", loads=(LINES,), event=kill_logd))
    assert len(soak.faults) == 1
    assert soak.faults[0] == "round 1 cannot continue: logd exited with -9"


def test_scenes_take_turns_and_those_without_restarts_come_first() -> None:
    scenes = schedule(3600)
    assert tuple(next(scenes) for _ in ONE_PROCESS) == ONE_PROCESS
    assert next(scenes) == ONE_PROCESS[0]
    assert list(schedule(0)) == []


@pytest.mark.parametrize("restarts", [0, 1])
def test_doubled_torn_or_reordered_lines_are_a_fault_in_any_round(restarts: int) -> None:
    assert fault_rules.line_faults(GOOD, restarts) == []
    assert fault_rules.line_faults(replace(GOOD, doubled=2), restarts) == ["lines: 2 lines doubled"]
    assert fault_rules.line_faults(replace(GOOD, torn=2), restarts) == ["lines: 2 lines torn"]
    assert fault_rules.line_faults(replace(GOOD, reordered=2), restarts) == ["lines: 2 lines reordered"]
    assert fault_rules.line_faults(replace(GOOD, unknown=2), restarts) == ["lines: 2 lines unknown"]


def test_lost_lines_are_a_fault_except_one_gap_per_connection_and_restart() -> None:
    lost = replace(GOOD, lost=7, gaps=1)
    assert fault_rules.line_faults(lost, 0) == ["lines: 7 lines lost"]
    assert fault_rules.line_faults(lost, 1) == []
    assert fault_rules.line_faults(replace(lost, gaps=2), 1) == [
        "lines: lines lost in 2 places of a connection, with 1 restarts"
    ]


def test_a_warning_is_a_fault_unless_the_scene_expects_it() -> None:
    warning = json.dumps({"level": "warning", "message": "somebody was here"})
    info = json.dumps({"level": "info", "message": "all is well"})
    assert fault_rules.log_faults([info, warning], "somebody") == []
    assert fault_rules.log_faults([info, warning], None) == ["logd logged: warning: somebody was here"]
    assert fault_rules.log_faults(["Traceback"], "somebody") == ["logd logged: Traceback"]


def memories(*sizes: int, restarted: bool = False) -> list[fault_rules.Memory]:
    """Return four rounds for each size in MiB; with `restarted`, the last round has a restart."""
    rounds = [fault_rules.Memory(rss=size * MIB, restarts=0) for size in sizes for _ in range(4)]
    return [*rounds[:-1], replace(rounds[-1], restarts=1)] if restarted else rounds


def test_growing_memory_is_a_fault() -> None:
    assert fault_rules.memory_faults(memories(40, 41, 60, 42)) == []
    assert len(fault_rules.memory_faults(memories(40, 41, 41, 49))) == 1
    assert fault_rules.memory_faults(memories(40, 41, 49)) == []  # too few rounds to judge


def test_memory_that_grows_in_one_process_is_a_fault_even_if_a_restart_hides_it() -> None:
    grown = [*memories(40, 45, 50, 55), *memories(40, 40, 40, 40, restarted=True)]
    assert fault_rules.memory_faults(grown) == []
    grown[16] = replace(grown[16], restarts=1)
    (fault,) = fault_rules.memory_faults(grown)
    assert "from 41.9 to 57.7 MB" in fault
