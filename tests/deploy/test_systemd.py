import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nodeagent import config_file
from nodeagent.run_command import watch_targets
from nodeagent.supervision.programs import PROGRAMS

SYSTEMD = Path(__file__).resolve().parent.parent.parent / "deploy" / "systemd"
UNIT = (SYSTEMD / "nodelog.service").read_text()


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return the unit with the programs of this environment."""
    path = tmp_path / "nodelog.service"
    path.write_text(UNIT.replace("/opt/nodelog/bin", os.path.dirname(sys.executable)))  # noqa: PTH120 (no link is followed)
    return path


def test_systemd_accepts_the_unit(unit: Path) -> None:
    run = analyze("verify", str(unit))
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_unit_is_hardened(unit: Path) -> None:
    run = analyze("security", "--offline=yes", "--threshold=30", str(unit))
    assert run.returncode == 0, run.stdout


def test_systemd_waits_longer_than_the_grace_of_the_children() -> None:
    seconds = int(UNIT.partition("TimeoutStopSec=")[2].partition("s")[0])
    assert seconds > 40
    assert "KillMode=mixed" in UNIT


def test_the_programs_accept_the_configuration_file() -> None:
    tables = config_file.read_tables(SYSTEMD / "nodelog.toml", [*PROGRAMS, "nodeagent"])
    targets = watch_targets(
        {name: program.settings(program.arguments(tables[name])) for name, program in PROGRAMS.items()}
    )
    assert targets.disks == (Path("/var/lib/nodelog"), Path("/var/log/nodelog"))
    assert targets.archives == Path("/var/log/nodelog/all-logs-*.tar.gz")
