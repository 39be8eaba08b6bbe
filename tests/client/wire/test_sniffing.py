import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.wire.client_session import ClientSession
from nodelog.wire.sniffing import Protocol, sniff_protocol

LIBRELP = b"librelp,1.11.0,http://librelp.adiscon.com"
OMRELP = b"1 open 86 relp_version=0\nrelp_software=" + LIBRELP + b"\ncommands=syslog\n"

PLAIN_LINES = [
    b"\n",
    b"1\n",
    b"1 o\n",
    b"1 open\n",
    b"1 open 30\n",
    b"1 open 300 sockets left\n",
    b"1 open -1 relp_version=0",
    b"1 open 1 relp_version=0",
    b"1 open 12345 relp_version=0",
    b"1 open 86 relp_version\n",
    b"1 open 86  relp_version=0",
    b"1 open 86 \nrelp_version=0",
    b"1 open 86 RELP_VERSION=0",
    b"1 open 86 relp_software=librelp\nrelp_version=0",
    b"1  open 86 relp_version=0",
    b" 1 open 86 relp_version=0",
    b"01 open 86 relp_version=0",
    b"2 open 86 relp_version=0",
    b"1 OPEN 86 relp_version=0",
    b"1 open \xd9\xa1\xd9\xa2 relp_version=0",
    b"2026-11-22T13:00:00Z started\n",
    b'{"a":1}\n',
    b"GET / HTTP/1.1\r\nHost: node:6666\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client hello
    b"<133>Nov 22 13:00:00 host tag: a syslog line\n",
    b"\0\0\0\0",
    b"1\0open",
]
LIKE_OPEN = st.from_regex(rb"1? ?o?p?e?n? ?[0-9]{0,5} ?r?e?l?p?_?v?e?r?s?i?o?n?=?.{0,5}", fullmatch=True)


@pytest.mark.parametrize("start", PLAIN_LINES)
def test_a_line_is_never_taken_for_relp(start: bytes) -> None:
    assert sniff_protocol(start) is Protocol.LINES


@pytest.mark.parametrize("start", PLAIN_LINES)
def test_a_decision_for_lines_comes_as_early_as_possible(start: bytes) -> None:
    decided = next(size for size in range(len(start) + 1) if sniff_protocol(start[:size]))
    assert decided <= 25
    assert all(sniff_protocol(start[:size]) is Protocol.LINES for size in range(decided, len(start) + 1))


@pytest.mark.parametrize(
    "start",
    [
        OMRELP,
        ClientSession(stream=(bytes(16), 1), name="pod").hello(),
        b"1 open 9999 relp_version=1",
        b"1 open 20 relp_version=99\n",
    ],
)
def test_an_open_is_relp_as_soon_as_it_cannot_be_a_line(start: bytes) -> None:
    decided = start.index(b"=") + 1
    assert decided <= 25
    assert [sniff_protocol(start[:size]) for size in range(decided)] == [None] * decided
    assert all(sniff_protocol(start[:size]) is Protocol.RELP for size in range(decided, len(start) + 1))


def test_no_bytes_decide_nothing() -> None:
    assert sniff_protocol(b"") is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_type_of_bytes_is_accepted(kind: type[bytes]) -> None:
    assert sniff_protocol(kind(OMRELP)) is Protocol.RELP
    assert sniff_protocol(kind(OMRELP[:9])) is None


@given(st.one_of(LIKE_OPEN, st.binary(max_size=40)), st.integers(0, 50))
def test_more_bytes_never_change_a_decision(start: bytes, size: int) -> None:
    early = sniff_protocol(start[:size])
    if early is None:
        assert size <= 24 or len(start) <= 24
        assert b"\n" not in start[:size]
    else:
        assert sniff_protocol(start) is early
