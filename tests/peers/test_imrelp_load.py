"""rsyslog's server of RELP under `nodelog load`: one message for each line."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.running import PATIENCE, wait_for

from nodelog.load.verify import read_sent, verify

NODELOG = Path(sys.executable).parent / "nodelog"

RSYSLOG = """
global(workDirectory="{folder}")
module(load="imrelp")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="file") {{ action(type="omfile" file="{folder}/log" template="raw") }}
input(type="imrelp" address="127.0.0.1" port="{port}" ruleset="file")
"""


@pytest.fixture
def imrelp(tmp_path: Path) -> Generator[int]:
    """Start rsyslog with its server of RELP; give its port."""
    program = shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin")
    if not program:
        pytest.skip("needs rsyslogd: apt-get install rsyslog rsyslog-relp")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(RSYSLOG.format(folder=tmp_path, port=port))
    command = [program, "-n", "-f", str(configuration), "-i", str(tmp_path / "pid")]

    def listens() -> bool:
        assert process.poll() is None, "rsyslogd has ended: is rsyslog-relp installed?"
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    with subprocess.Popen(command) as process:
        try:
            wait_for(listens, "rsyslogd listens")
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_rsyslog_takes_every_message_of_a_load(imrelp: int, tmp_path: Path) -> None:
    arguments = ("--frames=syslog", "--connections=8", "--bytes=2MiB", "--json")
    load = [str(NODELOG), "load", "--protocol=relp", "--host=127.0.0.1", f"--port={imrelp}", *arguments]
    out = subprocess.run(load, capture_output=True, text=True, check=True, timeout=60).stdout
    told = json.loads(out)
    assert (told["lines"], told["errors"]) == (16384, {})
    wait_for(lambda: (tmp_path / "log").stat().st_size >= 2 << 20, "all is written")
    run, sent, unsettled = read_sent(out)
    verdict = verify(run, [tmp_path / "log"], sent, lambda _path, _done: None, unsettled)
    assert verdict.is_good, verdict
