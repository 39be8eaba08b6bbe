import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.supervision.stderr_relay import MAX_LINE, LineSplitter, relay_stderr


async def relay(data: bytes) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    await relay_stderr(stream, "logd")


async def test_a_record_keeps_its_level_and_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await relay(
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
async def test_any_other_line_is_a_warning(line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    await relay(line)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"logd: {line.decode(errors='replace')}"


async def test_an_unterminated_last_line_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    await relay(b'{"level": "critical", "message": "a fault"}')
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


@given(st.lists(st.binary(max_size=50).filter(bool)))
def test_any_split_of_the_bytes_gives_the_same_lines(pieces: list[bytes]) -> None:
    whole, split = LineSplitter(), LineSplitter()
    data = b"".join(pieces)
    expected = [*whole.feed(data), *whole.flush()]
    assert [*(line for piece in pieces for line in split.feed(piece)), *split.flush()] == expected
    assert expected == [line for line in data.split(b"\n") if line]


def test_a_line_without_a_lf_is_bounded() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"x" * (MAX_LINE + 1))) == [b"x" * MAX_LINE]
    assert list(splitter.flush()) == [b"x"]
