from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.wire.byte_cuts import COMMANDS, CUTS, cut, fed

from nodelog.wire.errors import WireError
from nodelog.wire.frames import (
    HEADER_LIMIT,
    LARGEST_NUMBER,
    SERVER_CLOSE,
    TRAILER,
    Decoder,
    Frame,
    Oversized,
    encode,
    encode_header,
)

Parts: TypeAlias = tuple[int, bytes, bytes]

LIMIT = 200
PARTS = st.tuples(st.integers(0, LARGEST_NUMBER), COMMANDS, st.binary(max_size=LIMIT))
STREAMS = st.lists(PARTS, max_size=8)
BROKEN_STREAMS = st.one_of(  # frames followed by garbage, or garbage alone
    st.binary(max_size=100),
    st.builds(
        lambda parts, at, wrong: (stream := joined(parts))[: at % (len(stream) + 1)] + wrong,
        STREAMS,
        st.integers(0, 2000),
        st.binary(max_size=20),
    ),
    st.from_regex(rb"[0-9]{1,10} [a-zA-Z]{1,33} [0-9]{1,10}[ \n]?.{0,40}\n?"),
)


def joined(parts: list[Parts]) -> bytes:
    """Return the bytes of these frames."""
    return b"".join(encode(*part) for part in parts)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((1, b"open", b"relp_version=0"), b"1 open 14 relp_version=0\n"),
        ((2, b"syslog", b"a line"), b"2 syslog 6 a line\n"),
        ((3, b"lines", b"a\nb\n"), b"3 lines 4 a\nb\n\n"),
        ((4, b"lines", b""), b"4 lines 0\n"),
        ((999_999_999, b"close", b""), b"999999999 close 0\n"),
        ((0, b"serverclose", b""), SERVER_CLOSE),
    ],
)
def test_a_frame_is_as_librelp_writes_it(parts: Parts, expected: bytes) -> None:
    assert encode(*parts) == expected
    assert encode_header(parts[0], parts[1], len(parts[2])) + parts[2] + TRAILER == expected
    assert Decoder(max_data=LIMIT).feed(expected) == [Frame(parts[0], parts[1], memoryview(parts[2]))]


@given(STREAMS, CUTS)
def test_any_cut_of_the_bytes_gives_the_same_frames(parts: list[Parts], places: list[int]) -> None:
    decoder = Decoder(max_data=LIMIT)
    frames, fault = fed(decoder.feed, cut(joined(parts), places))
    assert frames == [Frame(txnr, command, memoryview(data)) for txnr, command, data in parts]
    assert (fault, decoder.pending) == ("", 0)


@given(BROKEN_STREAMS, CUTS)
def test_any_cut_of_anything_gives_the_same_frames_and_the_same_fault(data: bytes, places: list[int]) -> None:
    at_once = fed(Decoder(max_data=100, skippable=b"syslog").feed, [data])
    assert fed(Decoder(max_data=100, skippable=b"syslog").feed, cut(data, places)) == at_once


@given(BROKEN_STREAMS, CUTS)
def test_at_most_a_header_and_the_data_of_one_frame_is_buffered(data: bytes, places: list[int]) -> None:
    decoder = Decoder(max_data=50, skippable=b"syslog")
    for piece in cut(data, places):
        if fed(decoder.feed, [piece])[1]:
            break
        assert decoder.pending <= min(len(data), 50 + HEADER_LIMIT)


@pytest.mark.parametrize(
    ("garbage", "wrong"),
    [
        (b"hello", 0),
        (b" 1 open 0\n", 0),
        (b"\n", 0),
        (b"-1 open 0\n", 0),
        (b"1234567890 open 0\n", 9),
        (b"1  open 0\n", 2),
        (b"1 op3n 0\n", 4),
        (b"1 " + b"a" * 33 + b" 0\n", 34),
        (b"1 open\n", 6),
        (b"1 open \n", 7),
        (b"1 open 1234567890 ", 16),
        (b"1 open 5\n", 8),
        (b"1 open 0 \n", 8),
        (b"1 open 000 \n", 10),
        (b"1 open 0\r\n", 8),
        (b"1 open 2 abc\n", 11),
        (b"1 open 2 ab ", 11),
        (b"1 open 0\n2 \xff", 11),
        (b"GET / HTTP/1.1\r\n", 0),
    ],
)
def test_garbage_is_refused_at_its_first_wrong_byte(garbage: bytes, wrong: int) -> None:
    decoder = Decoder(max_data=LIMIT)
    for byte in garbage[:wrong]:
        decoder.feed(bytes([byte]))
    with pytest.raises(WireError, match=r"header|ends with byte"):
        decoder.feed(garbage[wrong : wrong + 1])
    with pytest.raises(WireError):
        Decoder(max_data=LIMIT).feed(garbage)


@pytest.mark.parametrize("endless", [b"0", b"1 x", b"1 open 0"])
def test_a_header_that_does_not_end_is_refused_within_64_bytes(endless: bytes) -> None:
    decoder = Decoder(max_data=LIMIT)
    assert fed(decoder.feed, [endless] * HEADER_LIMIT)[1]
    assert decoder.pending <= HEADER_LIMIT
    assert len(encode_header(LARGEST_NUMBER, b"a" * 32, LARGEST_NUMBER)) <= HEADER_LIMIT


def test_a_size_is_refused_before_it_is_buffered_with_both_numbers() -> None:
    decoder = Decoder(max_data=1_048_576)
    with pytest.raises(WireError, match=r"^lines frame of 1200000 bytes, at most 1048576 allowed$"):
        decoder.feed(b"7 lines 1200000 ")
    assert decoder.pending == 0
    assert Decoder(max_data=LIMIT).feed(encode(1, b"lines", b"a" * LIMIT)) != []


def test_leading_zeros_are_allowed() -> None:
    assert Decoder(max_data=LIMIT).feed(b"007 syslog 002 ab\n008 syslog 00\n") == [
        Frame(7, b"syslog", memoryview(b"ab")),
        Frame(8, b"syslog", memoryview(b"")),
    ]


@given(st.integers(LIMIT + 1, 3 * LIMIT), CUTS)
def test_an_oversized_skippable_frame_is_read_and_discarded(length: int, places: list[int]) -> None:
    decoder = Decoder(max_data=LIMIT, skippable=b"syslog")
    data = encode(1, b"syslog", b"1" * length) + encode(2, b"syslog", b"next")
    frames: list[Frame | Oversized] = []
    for piece in cut(data, places):
        frames += decoder.feed(piece)
        assert decoder.pending <= HEADER_LIMIT
    assert frames == [Oversized(1, b"syslog", length), Frame(2, b"syslog", memoryview(b"next"))]


def test_the_largest_frame_is_skipped_without_memory() -> None:
    decoder = Decoder(max_data=LIMIT, skippable=b"syslog")
    assert decoder.feed(b"1 syslog 999999999 ") == []
    piece = bytes(1 << 24)
    left = 999_999_999
    while left:
        assert decoder.feed(piece[:left]) == []
        assert decoder.pending <= HEADER_LIMIT
        left -= min(left, len(piece))
    assert decoder.feed(b"\n") == [Oversized(1, b"syslog", 999_999_999)]


def test_a_skipped_frame_must_end_with_lf_too() -> None:
    decoder = Decoder(max_data=1, skippable=b"syslog")
    with pytest.raises(WireError, match="oversized frame ends with byte 0x63, not with LF"):
        decoder.feed(b"1 syslog 2 abc")


def test_a_complete_frame_is_a_view_of_the_bytes_fed() -> None:
    data = bytearray(encode(1, b"lines", b"a\n") + encode(2, b"lines", b"b\n"))
    first, second = Decoder(max_data=LIMIT).feed(data)
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert first.data.obj is second.data.obj is data


def test_a_cut_frame_outlives_the_bytes_fed() -> None:
    decoder = Decoder(max_data=LIMIT)
    arena = bytearray(b"1 lines 4 a\n")
    assert decoder.feed(arena) == []
    arena[:] = b"b\n\n2 lines 0\n"
    frames = decoder.feed(arena)
    arena[:] = bytes(len(arena))
    assert frames == [Frame(1, b"lines", memoryview(b"a\nb\n")), Frame(2, b"lines", memoryview(b""))]


def test_the_error_carries_the_frames_before_the_fault() -> None:
    with pytest.raises(WireError) as caught:
        Decoder(max_data=LIMIT).feed(encode(1, b"lines", b"good\n") + b"garbage")
    assert caught.value.completed == [Frame(1, b"lines", memoryview(b"good\n"))]


def test_frames_are_not_kept_after_they_were_returned() -> None:
    decoder = Decoder(max_data=LIMIT)
    decoder.feed(b"1 lines 5 abc")
    assert decoder.pending == 13
    decoder.feed(b"d\n\n")
    assert decoder.pending == 0
