import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.wire.byte_cuts import COMMANDS

from nodelog.wire.errors import WireError
from nodelog.wire.offers import Offers, format_offers, parse_offers, sanitize

STREAM = bytes(range(16))
HEX = b"000102030405060708090a0b0c0d0e0f"
TEXTS = st.text(max_size=300).map(sanitize).map(lambda text: text or None)
OFFERS = st.builds(
    Offers,
    version=st.integers(0, 999_999_999),
    software=TEXTS,
    commands=st.lists(COMMANDS, max_size=5).map(tuple),
    stream=st.none() | st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 10**18 - 1)),
    max_data=st.none() | st.integers(1, 999_999_999),
    name=TEXTS,
)


def test_offers_are_lines_in_the_order_that_librelp_has_them() -> None:
    offers = Offers(
        version=0,
        software="nodelog,1.0",
        commands=(b"syslog", b"lines"),
        stream=(STREAM, 7),
        max_data=1_114_112,
        name="web-7d9f",
    )
    assert format_offers(offers) == (
        b"relp_version=0\nrelp_software=nodelog,1.0\ncommands=syslog,lines\nnodelog_stream=" + HEX + b",7\n"
        b"nodelog_max=1114112\nnodelog_name=web-7d9f"
    )
    assert format_offers(Offers(version=1)) == b"relp_version=1"


@given(OFFERS)
def test_offers_come_back_as_they_were(offers: Offers) -> None:
    assert parse_offers(format_offers(offers)) == offers


@given(OFFERS)
def test_no_offer_is_longer_than_librelp_reads(offers: Offers) -> None:
    for line in format_offers(offers).split(b"\n"):
        name, equals, values = line.partition(b"=")
        assert equals  # librelp reads a name up to the next `=`, whatever is in between
        assert len(name) <= 32
        assert all(len(value) <= 255 for value in values.split(b","))


def test_what_omrelp_offers_is_understood() -> None:
    data = b"relp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog"
    software = "librelp,1.11.0,http://librelp.adiscon.com"
    assert parse_offers(data) == Offers(version=0, software=software, commands=(b"syslog",))
    assert parse_offers(memoryview(data)) == parse_offers(b"\n" + data + b"\n")  # some send additional LFs


def test_unknown_offers_and_values_are_ignored() -> None:
    data = b"relp_version=1\nnew\ncolour=red,green=blue\n=\n,\ncommands=,eventlog,syslog,\nnodelog_thing=\xff"
    assert parse_offers(data) == Offers(version=1, commands=(b"eventlog", b"syslog"))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "no relp_version"),
        (b"commands=syslog", "no relp_version"),
        (b"relp_version=", "relp_version is b'', not a number"),
        (b"relp_version=-1", "not a number"),
        (b"relp_version=1.0", "not a number"),
        (b"relp_version=1234567890", "not a number"),
        (b"relp_version=0\nnodelog_max=lots", "nodelog_max is b'lots', not a number"),
        (b"relp_version=0\nnodelog_stream=" + HEX, "nodelog_stream is"),
        (b"relp_version=0\nnodelog_stream=" + HEX + b",", "nodelog_stream is"),
        (b"relp_version=0\nnodelog_stream=" + HEX + b",-1", "nodelog_stream is"),
        (b"relp_version=0\nnodelog_stream=" + HEX + b",1,2", "nodelog_stream is"),
        (b"relp_version=0\nnodelog_stream=" + HEX + b"," + b"1" * 19, "nodelog_stream is"),
        (b"relp_version=0\nnodelog_stream=" + HEX.upper() + b",1", "nodelog_stream is"),
        (b"relp_version=0\nnodelog_stream=" + HEX[1:] + b",1", "nodelog_stream is"),
    ],
)
def test_a_malformed_offer_is_a_fault_that_names_it(data: bytes, fault: str) -> None:
    with pytest.raises(WireError, match=fault):
        parse_offers(data)


@given(st.binary(max_size=200))
def test_garbage_gives_only_a_wire_error(data: bytes) -> None:
    for garbage in (data, b"relp_version=1\n" + data):
        try:
            parse_offers(garbage)
        except WireError:
            continue


def test_a_name_cannot_inject_another_offer() -> None:
    offers = Offers(version=0, name="pod\nnodelog_max=1\x1b[2J\udcff\u2028")
    assert format_offers(offers) == b"relp_version=0\nnodelog_name=pod?nodelog_max=1?[2J??"
    assert parse_offers(b"relp_version=0\nnodelog_name=a\x00b\xff\x1b").name == "a?b\ufffd?"


def test_a_long_text_is_cut_between_two_characters() -> None:
    assert sanitize("a" * 300) == "a" * 255
    assert sanitize("a" + "\u00e9" * 300) == "a" + "\u00e9" * 127
    assert sanitize("aa" + "\u00e9" * 300) == "aa" + "\u00e9" * 126


@given(st.text(max_size=400))
def test_a_sanitized_text_is_printable_and_short(text: str) -> None:
    assert sanitize(text).isprintable()
    assert len(sanitize(text).encode()) <= 255
    assert sanitize(sanitize(text)) == sanitize(text)
