import os
import subprocess
import sys
from pathlib import Path

from tests.waiting import wait_for

from nodeagent.supervision import parent_death_guard
from nodeagent.supervision.parent_death_guard import guarded_command

PARENT = """
import subprocess, sys
from nodeagent.supervision.parent_death_guard import guarded_command
child = subprocess.Popen(guarded_command("sleep", "1000"))
print(child.pid, flush=True)
child.wait()
"""


def process_name(pid: int) -> str:
    """Return the name of a process, or an empty text if there is none or only a zombie."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].partition(") ")
    except FileNotFoundError:
        return ""
    return "" if rest.startswith("Z") else name


def test_a_child_ends_when_its_agent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_for(lambda: process_name(child) == "sleep")
        parent.kill()
    wait_for(lambda: not process_name(child), "the child has ended")


def test_a_child_is_not_started_for_an_agent_that_is_gone(tmp_path: Path) -> None:
    created = tmp_path / "created"
    command = [sys.executable, parent_death_guard.__file__, str(os.getppid()), "0", "touch", str(created)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "touch: the agent has ended; not started\n")
    assert not created.exists()


def test_a_missing_program_is_reported_in_one_line() -> None:
    run = subprocess.run(guarded_command("/no/such"), capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "cannot start /no/such: No such file or directory\n")


def test_a_child_runs_at_the_requested_niceness() -> None:
    run = subprocess.run(guarded_command("nice", nice=19), capture_output=True, text=True, check=True)
    assert run.stdout == "19\n"


def test_the_guarded_command_begins_with_the_guard() -> None:
    command = guarded_command("logd", "--stamp", nice=5)
    assert command[0] == sys.executable
    assert command[-4:] == [str(os.getpid()), "5", "logd", "--stamp"]
