"""`nodelog load` as users start it, against a real `logd`."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

from tests.client.load.load_output import figures_of
from tests.waiting import wait_for

from nodelog.load.verifier.verdict import Verdict, verify

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.processes.logd import StartLogd

    Start = Callable[..., subprocess.Popen[str]]


def verify_files(figures: dict[str, Any], *files: Path) -> Verdict:
    sent = {int(number): lines for number, lines in figures["sent"].items()}
    return verify(figures["run"], list(files), sent, lambda _path, _done: None)


def test_logd_loses_doubles_and_tears_nothing(start: Start, logd: StartLogd, tmp_path: Path) -> None:
    daemon = logd("--rotate-size=16MiB")
    sent = tmp_path / "sent.json"
    figures = figures_of(start("load", f"--port={daemon.port}", "--bytes=40MiB", "--json"))
    sent.write_text(json.dumps(figures))
    wait_for(lambda: daemon.metric("nodelog_written_bytes_total") == figures["bytes"], "all is written")
    assert daemon.stop() == 0
    files = [str(path) for path in sorted(tmp_path.glob("node_log*"))]
    assert len(files) > 1
    process = start("verify", f"--sent={sent}", *files)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), out
    assert f"received:  327,680 lines of run {figures['run']} in {len(files)} files" in out


def test_every_connection_survives_a_restart_of_logd(start: Start, logd: StartLogd, tmp_path: Path) -> None:
    """What is sent before and after it is never doubled or torn; at most a few lines are lost."""
    daemon = logd()
    process = start("load", f"--port={daemon.port}", "--rate=20000", "--write-size=line", "--json")

    def has_written() -> bool:
        return daemon.metric("nodelog_written_bytes_total") > 500_000

    wait_for(has_written, "lines arrive")
    daemon.restart()
    wait_for(lambda: daemon.metric("nodelog_connections") == 64 and has_written(), "they arrive again")
    process.send_signal(signal.SIGTERM)
    figures = figures_of(process)
    assert figures["reconnects"] > 0  # some may come so late that the load does not count them
    assert daemon.stop() == 0
    verdict = verify_files(figures, tmp_path / "node_log")
    assert verdict.torn == verdict.counts.doubled.lines == 0
    assert verdict.counts.lost.lines <= 64
