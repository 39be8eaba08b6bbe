"""The progress bars, on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.client.load.sink import Sink

from nodelog.load.line_format import LineFormat

NODELOG = Path(sys.executable).parent / "nodelog"


def on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Run it with stderr on a terminal; return the exit code and what was shown."""
    reader, terminal = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [NODELOG, *arguments], stderr=terminal, stdout=subprocess.DEVNULL, env=environment
    )
    os.close(terminal)
    shown = b""
    try:
        while data := os.read(reader, 4096):
            shown += data
    except OSError:  # the end of a terminal
        pass
    os.close(reader)
    return process.wait(30), shown.decode()


def test_a_load_shows_lines_rate_and_connections() -> None:
    with Sink() as sink:
        code, shown = on_a_terminal(
            "load", f"--port={sink.port}", "--rate=5000", "--write-size=line", "--duration=1s"
        )
    assert code == 0
    assert "sending" in shown
    assert "64 connections" in shown
    assert " lines, " in shown


def test_verify_shows_how_much_of_the_files_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(LineFormat("run", 128).format_line(0, 0))
    code, shown = on_a_terminal("verify", "--run=run", str(log))
    assert code == 0
    assert "reading" in shown
    assert "128/128 bytes" in shown
