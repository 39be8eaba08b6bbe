"""rsyslog's RELP server (imrelp) as the receiver of `nodelog load` and of a shipper: a message per line."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.waiting import PATIENCE, wait_for

from nodelog import Shipper
from nodelog.load.verifier.verdict import parse_sent, verify

NODELOG = Path(sys.executable).parent / "nodelog"

RSYSLOG = """
global(workDirectory="{folder}")
module(load="imrelp")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="file") {{ action(type="omfile" file="{folder}/log" template="raw") }}
input(type="imrelp" address="127.0.0.1" port="{port}" ruleset="file")
"""


class Rsyslog:
    """rsyslog with its RELP server, on the same port after each restart."""

    def __init__(self, program: str, folder: Path) -> None:
        """Start it and wait until it listens."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        configuration = folder / "rsyslog.conf"
        configuration.write_text(RSYSLOG.format(folder=folder, port=self.port))
        self._command = [program, "-n", "-f", str(configuration), "-i", str(folder / "pid")]
        self.start()

    def start(self) -> None:
        """Start it on its port."""
        self._process = subprocess.Popen(self._command)
        wait_for(self._listens, "rsyslogd listens")

    def stop(self) -> None:
        """Stop it; it writes what it has acknowledged."""
        self._process.terminate()
        self._process.wait(PATIENCE)

    def _listens(self) -> bool:
        assert self._process.poll() is None, "rsyslogd has ended: is rsyslog-relp installed?"
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def imrelp(tmp_path: Path) -> Generator[Rsyslog]:
    """Start rsyslog and stop it after the test."""
    program = shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin")
    if not program:
        pytest.skip("needs rsyslogd: apt-get install rsyslog rsyslog-relp")
    rsyslog = Rsyslog(program, tmp_path)
    yield rsyslog
    rsyslog.stop()


def test_rsyslog_receives_every_message_of_a_load(imrelp: Rsyslog, tmp_path: Path) -> None:
    arguments = ("--frames=syslog", "--connections=8", "--bytes=2MiB", "--json")
    load = [str(NODELOG), "load", "--protocol=relp", "--host=127.0.0.1", f"--port={imrelp.port}", *arguments]
    out = subprocess.run(load, capture_output=True, text=True, check=True, timeout=60).stdout
    report = json.loads(out)
    assert (report["lines"], report["errors"]) == (16384, {})
    wait_for(lambda: (tmp_path / "log").stat().st_size >= 2 << 20, "all lines are written")
    run, sent, unsettled = parse_sent(out)
    verdict = verify(run, [tmp_path / "log"], sent, lambda _path, _done: None, unsettled)
    assert verdict.is_good, verdict


def test_a_shipper_loses_nothing_when_rsyslog_is_restarted(imrelp: Rsyslog, tmp_path: Path) -> None:
    lines = [f"line {number} of a shipper" for number in range(10_000)]
    log = tmp_path / "log"
    with Shipper("127.0.0.1", imrelp.port, spool=tmp_path / "spool", tell=lambda _: None) as shipper:
        for number, line in enumerate(lines):
            assert shipper.send(line, PATIENCE)
            if number in {2_500, 5_000, 7_500}:
                wait_for(lambda: log.exists() and log.stat().st_size > 0, "some lines have arrived")
                imrelp.stop()
                imrelp.start()
        assert shipper.flush(2 * PATIENCE) == 0
    imrelp.stop()
    found = log.read_text().splitlines()
    assert list(dict.fromkeys(found)) == lines  # all of them, in order, at least once
