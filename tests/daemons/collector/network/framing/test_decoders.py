from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelogd.collector.network.framing.decoders import Framing, create_decoder

LIMIT = 20

MESSAGES = st.lists(st.binary(min_size=1, max_size=3 * LIMIT).map(lambda text: text.replace(b"\0", b"0")))
CUTS = st.lists(st.integers(1, 30))


def encode(framing: Framing, messages: list[bytes]) -> bytes:
    if framing is Framing.NUL:
        return b"".join(message + b"\0" for message in messages)
    return b"".join(b"%d %b" % (len(message), message) for message in messages)


def feed(framing: Framing, data: bytes, cuts: list[int]) -> tuple[list[bytes], bytes]:
    """Decode the data in reads of these sizes; return the messages and what is held at the end."""
    decoder = create_decoder(framing, LIMIT)
    found: list[bytes] = []
    for size in [*cuts, len(data) + 1]:
        if size and data:
            found += decoder.feed(data[:size])
            data = data[size:]
            assert decoder.pending == len(decoder.start()) <= LIMIT + 12
    return found, decoder.take_rest()


@pytest.mark.parametrize("framing", [Framing.NUL, Framing.OCTET_COUNTING])
@given(messages=MESSAGES, cuts=CUTS)
def test_any_cut_of_the_bytes_gives_the_same_messages_in_pieces_within_the_limit(
    framing: Framing, messages: list[bytes], cuts: list[int]
) -> None:
    found, rest = feed(framing, encode(framing, messages), cuts)
    assert rest == b""
    assert b"".join(found) == b"".join(messages)
    assert all(len(piece) <= LIMIT for piece in found)
    assert len(found) == sum(-(-len(message) // LIMIT) for message in messages)


@given(st.binary(max_size=300), CUTS)
def test_whatever_comes_on_a_port_for_octet_counting_every_byte_but_headers_and_separators_is_kept(
    data: bytes, cuts: list[int]
) -> None:
    found, rest = feed(Framing.OCTET_COUNTING, data, cuts)
    whole, whole_rest = feed(Framing.OCTET_COUNTING, data, [])
    assert (b"".join(found), rest) == (b"".join(whole), whole_rest)
    assert all(len(piece) <= LIMIT for piece in found)


@pytest.mark.parametrize(
    ("data", "messages", "rest"),
    [
        (b"5 hello3 abc", [b"hello", b"abc"], b""),
        (b"5 hello\n3 abc\n", [b"hello", b"abc"], b""),
        (b"6 hello\n3 abc", [b"hello\n", b"abc"], b""),
        (b"<14>no length\n3 abc", [b"<14>no length", b"abc"], b""),
        (b"0 zero\n3 abc", [b"0 zero", b"abc"], b""),
        (b"2026-01-01 a date\n", [b"2026-01-01 a date"], b""),
        (b"5 hel", [], b"hel"),
        (b"12", [], b"12"),
        (b"12345678901 too much\n", [b"12345678901 too much"], b""),
        (b"30 " + b"x" * 30 + b"1 y", [b"x" * 20, b"x" * 10, b"y"], b""),
    ],
)
def test_a_message_has_its_length_in_front_or_an_lf_behind_it(
    data: bytes, messages: list[bytes], rest: bytes
) -> None:
    assert feed(Framing.OCTET_COUNTING, data, []) == (messages, rest)
    assert feed(Framing.OCTET_COUNTING, data, [1] * len(data)) == (messages, rest)


def test_after_a_message_was_split_its_rest_is_not_taken_for_a_header() -> None:
    decoder = create_decoder(Framing.OCTET_COUNTING, LIMIT)
    assert decoder.feed(b"9 ab") == []
    assert decoder.take_rest() == b"ab"
    assert decoder.feed(b"3 xyz123 abc") == [b"3 xyz12", b"abc"]


def test_pieces_are_counted() -> None:
    for framing in (Framing.NUL, Framing.OCTET_COUNTING):
        decoder = create_decoder(framing, LIMIT)
        decoder.feed(encode(framing, [b"x" * (3 * LIMIT), b"short"]))
        assert decoder.pieces == 2


def test_lf_needs_no_decoder() -> None:
    with pytest.raises(ValueError, match="LF"):
        create_decoder(Framing.LF, LIMIT)
