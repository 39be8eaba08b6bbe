import os
import subprocess
import sys
from pathlib import Path

from tests.waiting import wait_for

from nodeagent.supervision import parent_death_guard
from nodeagent.supervision.child_process import leashed

PARENT = """
import subprocess, sys
from nodeagent.supervision.child_process import leashed
child = subprocess.Popen(leashed(["sleep", "1000"]))
print(child.pid, flush=True)
child.wait()
"""


def name_of(pid: int) -> str:
    """Give the name of a process; nothing if there is none, or only its remains."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].partition(") ")
    except FileNotFoundError:
        return ""
    return "" if rest.startswith("Z") else name


def test_a_child_ends_when_its_agent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_for(lambda: name_of(child) == "sleep")
        parent.kill()
    wait_for(lambda: not name_of(child), "the child has ended")


def test_a_child_is_not_started_for_an_agent_that_is_gone(tmp_path: Path) -> None:
    made = tmp_path / "made"
    command = [sys.executable, parent_death_guard.__file__, str(os.getppid()), "0", "touch", str(made)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "touch: the agent has ended; not started\n")
    assert not made.exists()


def test_a_program_that_is_missing_is_one_line() -> None:
    run = subprocess.run(leashed(["/no/such"]), capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "cannot start /no/such: No such file or directory\n")


def test_a_child_is_as_nice_as_told() -> None:
    run = subprocess.run(leashed(["nice"], nice=19), capture_output=True, text=True, check=True)
    assert run.stdout == "19\n"
