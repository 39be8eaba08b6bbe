"""`nodelog load` as people start it, against a real `logd`."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

from tests.client.load.telling import finished
from tests.waiting import wait_for

from nodelog.load.verifier.verdict import Verdict, verify

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.processes.logd import StartLogd

    Start = Callable[..., subprocess.Popen[str]]


def checked(told: dict[str, Any], *files: Path) -> Verdict:
    sent = {int(number): lines for number, lines in told["sent"].items()}
    return verify(told["run"], list(files), sent, lambda _path, _done: None)


def test_logd_loses_doubles_and_tears_nothing(start: Start, logd: StartLogd, tmp_path: Path) -> None:
    daemon = logd("--rotate-size=16MiB")
    sent = tmp_path / "sent.json"
    told = finished(start("load", f"--port={daemon.port}", "--bytes=40MiB", "--json"))
    sent.write_text(json.dumps(told))
    wait_for(lambda: daemon.metric("nodelog_written_bytes_total") == told["bytes"], "all is written")
    assert daemon.stop() == 0
    files = [str(path) for path in sorted(tmp_path.glob("node_log*"))]
    assert len(files) > 1
    process = start("verify", f"--sent={sent}", *files)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), out
    assert f"received:  327,680 lines of run {told['run']} in {len(files)} files" in out


def test_a_restart_of_logd_is_survived_by_every_connection(
    start: Start, logd: StartLogd, tmp_path: Path
) -> None:
    """And what is sent before and after it is never doubled or torn; at most a few lines are lost."""
    daemon = logd()
    process = start("load", f"--port={daemon.port}", "--rate=20000", "--write-size=line", "--json")

    def has_written() -> bool:
        return daemon.metric("nodelog_written_bytes_total") > 500_000

    wait_for(has_written, "lines arrive")
    daemon.restart()
    wait_for(lambda: daemon.metric("nodelog_connections") == 64 and has_written(), "they arrive again")
    process.send_signal(signal.SIGTERM)
    told = finished(process)
    assert told["reconnects"] > 0  # some may have been made so late that it has not taken note of them
    assert daemon.stop() == 0
    verdict = checked(told, tmp_path / "node_log")
    assert verdict.torn == verdict.account.doubled.lines == 0
    assert verdict.account.lost.lines <= 64
