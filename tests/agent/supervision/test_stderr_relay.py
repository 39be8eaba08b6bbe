import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.supervision.stderr_relay import LONGEST, Lines, echo


async def said(data: bytes) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    await echo(stream, "logd")


async def test_a_record_keeps_its_level_and_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await said(
        b'{"time": "t", "level": "error", "logger": "x", "message": "no disk", "retry": 1, "name": 2}\n'
    )
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == ("logd", logging.ERROR, "logd: no disk")
    assert vars(record)["retry"] == 1


@pytest.mark.parametrize(
    "line",
    [
        b"Traceback (most recent call last):",
        b"{",
        b"{}",
        b'{"level": ["x"], "message": 1}',
        b"100 % \xff",
        b'{"deep": ' + b"[" * 50_000,
    ],
    ids=["traceback", "brace", "empty", "level", "bytes", "deep"],
)
async def test_anything_else_is_a_warning(line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    await said(line)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"logd: {line.decode(errors='replace')}"


async def test_the_last_words_of_a_fault_are_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    await said(b'{"level": "critical", "message": "a fault"}')
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


@given(st.lists(st.binary(max_size=50).filter(bool)))
def test_any_cut_of_the_bytes_gives_the_same_lines(pieces: list[bytes]) -> None:
    whole, cut = Lines(), Lines()
    data = b"".join(pieces)
    expected = [*whole.feed(data), *whole.end()]
    assert [*(line for piece in pieces for line in cut.feed(piece)), *cut.end()] == expected
    assert expected == [line for line in data.split(b"\n") if line]


def test_a_line_without_an_end_is_bounded() -> None:
    lines = Lines()
    assert list(lines.feed(b"x" * (LONGEST + 1))) == [b"x" * LONGEST]
    assert list(lines.end()) == [b"x"]
