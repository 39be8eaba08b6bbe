"""`echo … | nc $HOST_IP 6666` with the four common kinds of nc."""

from __future__ import annotations

import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.processes.logd import StartLogd

KINDS = {
    "netcat-traditional": "nc.traditional -q 1",
    "netcat-openbsd": "nc.openbsd -N",
    "ncat": "ncat",
    "busybox": "busybox nc",
}


@pytest.fixture(params=KINDS)
def nc(request: pytest.FixtureRequest) -> str:
    """Return a kind of nc, with the option that closes its side at the end of its input."""
    command = KINDS[request.param]
    if not shutil.which(command.split()[0]):
        pytest.skip(f"needs the Debian package {request.param}")
    return command


def shell(script: str, **variables: str) -> None:
    """Run a script as people type it; it must print nothing."""
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOSTNAME": socket.gethostname(), **variables}
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=PATIENCE, env=env, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_greeting_arrives_whole_and_once_and_nc_exits(logd: StartLogd, nc: str) -> None:
    daemon = logd()
    script = f'echo "$(LC_ALL=C date) - Greetings from $HOSTNAME" | {nc} 127.0.0.1 {daemon.port}'
    for _ in range(3):
        shell(script)
    assert daemon.stop() == 0
    lines = daemon.text().split("\n")
    assert lines.pop() == ""
    assert len(lines) == 3
    for line in lines:
        day, greeting = line.split(" - ")
        assert greeting == f"Greetings from {socket.gethostname()}"
        assert len(day.split()) == 6  # Sun Nov 22 13:00:00 UTC 2026


def test_a_line_without_a_final_lf_gets_one(logd: StartLogd, nc: str) -> None:
    daemon = logd()
    shell(f"printf unfinished | {nc} 127.0.0.1 {daemon.port}")
    shell(f"printf next | {nc} 127.0.0.1 {daemon.port}")
    assert daemon.stop() == 0
    assert daemon.text() == "unfinished\nnext\n"


def test_a_file_arrives_unchanged(logd: StartLogd, nc: str) -> None:
    daemon = logd()
    shell(f"seq 200000 | {nc} 127.0.0.1 {daemon.port}")
    assert daemon.stop() == 0
    assert daemon.text() == "".join(f"{number}\n" for number in range(1, 200_001))


def test_lines_of_concurrent_clients_do_not_mix(logd: StartLogd, nc: str) -> None:
    daemon = logd()
    greet = f"seq -f '%g of pod '$pod 2000 | {nc} 127.0.0.1 {daemon.port}"
    shell(f"for pod in 1 2 3 4 5 6 7; do {greet} & done; wait")
    assert daemon.stop() == 0
    expected = sorted(f"{number} of pod {pod}" for pod in range(1, 8) for number in range(1, 2001))
    assert sorted(daemon.text().splitlines()) == expected
