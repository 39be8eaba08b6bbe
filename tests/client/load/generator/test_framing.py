import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.load.generator.framing import BlockFraming, MessageFraming, framing
from nodelog.load.generator.settings import Settings
from nodelog.wire.frames import Decoder, Frame

SETTINGS = Settings(run="run", protocol="relp", write_size=1280)
FORMAT = SETTINGS.line_format


def decode(buffers: list[bytes | memoryview]) -> list[Frame]:
    decoded = Decoder(max_data=1 << 20).feed(b"".join(buffers))
    return [frame for frame in decoded if isinstance(frame, Frame)]


@given(st.integers(0, 9), st.integers(0, 10**9), st.integers(1, 10), st.integers(1, 999_999_900))
def test_a_write_is_one_frame_of_its_lines(connection: int, first: int, lines: int, txnr: int) -> None:
    (frame,) = decode(BlockFraming(SETTINGS).buffers(connection, first, lines, txnr))
    assert (frame.txnr, frame.command) == (txnr, b"lines")
    assert frame.data == b"".join(FORMAT.format_line(connection, first + number) for number in range(lines))


@given(st.integers(0, 9), st.integers(0, 10**9), st.integers(1, 10), st.integers(1, 999_999_900))
def test_a_write_is_one_message_per_line(connection: int, first: int, lines: int, txnr: int) -> None:
    frames = decode(MessageFraming(SETTINGS).buffers(connection, first, lines, txnr))
    assert [(frame.txnr, frame.command, bytes(frame.data)) for frame in frames] == [
        (txnr + number, b"syslog", FORMAT.format_line(connection, first + number)[:-1])
        for number in range(lines)
    ]


@pytest.mark.parametrize("frames", ["lines", "syslog"])
def test_a_write_of_one_line_is_one_frame(frames: str) -> None:
    settings = Settings(run="run", protocol="relp", write_size=0, frames=frames)  # type: ignore[arg-type]
    (frame,) = decode(framing(settings).buffers(1, 2, 1, 3))
    assert bytes(frame.data).rstrip(b"\n") + b"\n" == FORMAT.format_line(1, 2)
