import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.generator.framing import BlockFrames, MessageFrames, framing
from nodelog.load.generator.settings import Settings
from nodelog.wire.frames import Decoder, Frame

SETTINGS = Settings(run="run", protocol="relp", write_size=1280)
FORMAT = SETTINGS.line_format


def frames(pieces: list[bytes | memoryview]) -> list[Frame]:
    found = Decoder(max_data=1 << 20).feed(b"".join(pieces))
    return [frame for frame in found if isinstance(frame, Frame)]


@given(st.integers(0, 9), st.integers(0, 10**9), st.integers(1, 10), st.integers(1, 999_999_900))
def test_a_write_is_one_frame_of_its_lines(connection: int, first: int, lines: int, txnr: int) -> None:
    (frame,) = frames(BlockFrames(SETTINGS).pieces(connection, first, lines, txnr))
    assert (frame.txnr, frame.command) == (txnr, b"lines")
    assert frame.data == b"".join(FORMAT.format_line(connection, first + number) for number in range(lines))


@given(st.integers(0, 9), st.integers(0, 10**9), st.integers(1, 10), st.integers(1, 999_999_900))
def test_a_write_is_a_message_of_each_line(connection: int, first: int, lines: int, txnr: int) -> None:
    found = frames(MessageFrames(SETTINGS).pieces(connection, first, lines, txnr))
    assert [(frame.txnr, frame.command, bytes(frame.data)) for frame in found] == [
        (txnr + number, b"syslog", FORMAT.format_line(connection, first + number)[:-1])
        for number in range(lines)
    ]


@pytest.mark.parametrize("which", ["lines", "syslog"])
def test_a_write_of_one_line_is_one_frame(which: str) -> None:
    settings = Settings(run="run", protocol="relp", write_size=0, frames=which)  # type: ignore[arg-type]
    (frame,) = frames(framing(settings).pieces(1, 2, 1, 3))
    assert bytes(frame.data).rstrip(b"\n") + b"\n" == FORMAT.format_line(1, 2)
