import io
import sys

import pytest

from nodelog.commands.stdio.stderr import MessagePrinter


def test_a_message_is_one_line_that_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    MessagePrinter("greet")("connected")
    assert capsys.readouterr().err == "nodelog greet: connected\n"


def test_a_closed_standard_error_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    (closed := io.StringIO()).close()
    for stderr in (None, closed):
        monkeypatch.setattr(sys, "stderr", stderr)
        MessagePrinter("greet")("connected")
