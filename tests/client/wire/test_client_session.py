import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.wire.byte_cuts import CUTS, cut, fed

from nodelog.wire.client_session import (
    Acked,
    ClientSession,
    Closed,
    Event,
    Refused,
    Rejected,
    ServerClosing,
    Welcome,
)
from nodelog.wire.errors import WireError
from nodelog.wire.frames import SERVER_CLOSE, encode
from nodelog.wire.offers import SOFTWARE

STREAM = bytes(range(16))
HEX = b"000102030405060708090a0b0c0d0e0f"
NODELOG = b"200 OK\nrelp_version=0\nrelp_software=nodelog,9\ncommands=syslog,lines\n"
LIBRELP = b"librelp,1.11.0,http://librelp.adiscon.com"
IMRELP = b"1 rsp 93 200 OK\nrelp_version=0\nrelp_software=" + LIBRELP + b"\ncommands=syslog\n"


def opening(*, stream: tuple[bytes, int] | None = None, messages: bool = False) -> ClientSession:
    """Return a session whose `open` is unanswered."""
    session = ClientSession(stream=stream, name="pod", frames="syslog" if messages else "lines")
    session.hello()
    return session


def welcomed(*, messages: bool = False) -> ClientSession:
    """Return a session whose `open` was answered."""
    session = opening(messages=messages)
    session.feed(IMRELP if messages else encode(1, b"rsp", NODELOG))
    return session


def test_the_first_frame_offers_everything() -> None:
    expected = (
        f"relp_version=0\nrelp_software={SOFTWARE}\ncommands=syslog,lines\n"
        f"nodelog_stream={HEX.decode()},5\nnodelog_name=pod"
    ).encode()
    session = ClientSession(stream=(STREAM, 5), name="pod")
    assert session.hello() == encode(1, b"open", expected)


def test_messages_alone_can_be_offered() -> None:
    session = ClientSession(stream=None, name=None, frames="syslog")
    assert b"\ncommands=syslog\n" in session.hello()


@pytest.mark.parametrize(
    ("stream", "offers", "expected"),
    [
        ((STREAM, 5), b"nodelog_stream=" + HEX + b",7\nnodelog_max=70000", Welcome(7, 70_000, lines=True)),
        ((STREAM, 5), b"nodelog_max=70000", Welcome(None, 70_000, lines=True)),
        (None, b"nodelog_stream=" + HEX + b",7\nnodelog_max=70000", Welcome(None, 70_000, lines=True)),
        (None, b"", Welcome(None, 8096, lines=True)),
    ],
)
def test_a_nodelog_collector_answers_with_the_last_durable_block(
    stream: tuple[bytes, int] | None, offers: bytes, expected: Event
) -> None:
    assert opening(stream=stream).feed(encode(1, b"rsp", NODELOG + offers)) == [expected]


def test_any_other_server_gets_messages_of_rsyslogs_size() -> None:
    assert opening(stream=(STREAM, 1)).feed(IMRELP) == [Welcome(None, 8096, lines=False)]


def test_blocks_are_not_used_unless_they_were_offered() -> None:
    assert opening(messages=True).feed(encode(1, b"rsp", NODELOG)) == [Welcome(None, 8096, lines=False)]


def test_a_server_may_refuse_the_client() -> None:
    answer = b"1 rsp 44 500 required command not supported by client\n" + SERVER_CLOSE
    assert opening().feed(answer) == [
        Refused("500 required command not supported by client"),
        ServerClosing(),
    ]
    answer = encode(1, b"rsp", b"200 OK\nrelp_version=0\ncommands=eventlog")
    assert opening().feed(answer) == [Refused("the server accepts neither lines nor syslog")]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", "does not begin with a number of three digits"),
        (b"OK", "does not begin with a number of three digits"),
        (b"2000 OK", "does not begin with a number of three digits"),
        (b"200 OK", "no relp_version"),
        (b"200 OK\ncommands=syslog", "no relp_version"),
        (b"200 OK\nrelp_version=1\ncommands=syslog", "the server answers with relp_version 1, 0 was offered"),
        (NODELOG + b"nodelog_stream=" + HEX[::-1] + b",7", "the server answers for stream f0e0d0"),
        (b"x" * 65_537, "rsp frame of 65537 bytes, at most 65536 allowed"),
    ],
)
def test_a_wrong_answer_to_open_is_a_fault(answer: bytes, fault: str) -> None:
    with pytest.raises(WireError, match=fault):
        opening(stream=(STREAM, 5)).feed(encode(1, b"rsp", answer))


def test_the_pieces_of_a_block_are_one_frame_and_its_data_is_not_copied() -> None:
    session = welcomed()
    data = memoryview(b"a\nb\n")
    pieces = session.block(data)
    assert b"".join(pieces) == b"2 lines 4 a\nb\n\n"
    assert pieces[1] is data
    assert b"".join(session.block(b"")) == b"3 lines 0\n"


def test_a_message_is_one_frame() -> None:
    session = welcomed(messages=True)
    assert session.message(b"a line") == b"2 syslog 6 a line\n"
    assert session.message(memoryview(b"")) == b"3 syslog 0\n"


def test_frames_are_acked_in_order() -> None:
    session = welcomed()
    for _ in range(3):
        session.block(b"a\n")
    assert session.unacknowledged == 3
    assert session.feed(b"2 rsp 6 200 OK\n3 rsp 6 200 ok\n") == [Acked(), Acked()]
    assert session.unacknowledged == 1
    assert session.feed(b"4 rsp 15 200 OK\nand more\n") == [Acked()]
    assert session.unacknowledged == 0


@pytest.mark.parametrize("txnr", [0, 1, 3, 4, 999_999_999])
def test_an_answer_out_of_order_is_a_fault(txnr: int) -> None:
    session = welcomed()
    session.block(b"a\n")
    session.block(b"b\n")
    with pytest.raises(
        WireError, match=f"answer to transaction {txnr}, but 2 frames from 2 on are unanswered"
    ):
        session.feed(encode(txnr, b"rsp", b"200 OK"))


def test_an_answer_to_nothing_is_a_fault() -> None:
    with pytest.raises(WireError, match="answer to transaction 1, but 0 frames from 1 on are unanswered"):
        ClientSession(stream=None, name=None).feed(IMRELP)


def test_a_rejected_message_is_reported_with_the_reason() -> None:
    session = welcomed(messages=True)
    for line in (b"a", b"b", b"c"):
        session.message(line)
    answers = b"2 rsp 6 200 OK\n3 rsp 17 500 too \x1b[2Jlarge\n4 rsp 6 200 OK\n"
    assert session.feed(answers) == [Acked(), Rejected("500 too ?[2Jlarge"), Acked()]


def test_a_rejected_block_is_a_fault_as_it_must_not_be_dropped() -> None:
    session = welcomed()
    session.block(b"a\n")
    with pytest.raises(WireError, match="a block was answered with: 500 no"):
        session.feed(b"2 rsp 6 500 no\n")


@pytest.mark.parametrize("answer", [b"2 rsp 6 200 OK\n", b"2 rsp 0\n", b"2 rsp 0\n0 serverclose 0\n"])
def test_the_answer_to_close_of_nodelog_and_of_librelp_is_understood(answer: bytes) -> None:
    session = welcomed()
    assert session.close() == b"2 close 0\n"
    assert session.feed(answer)[0] == Closed()


def test_the_server_may_announce_its_close_at_any_time() -> None:
    session = opening()
    assert session.feed(SERVER_CLOSE + IMRELP + SERVER_CLOSE) == [
        ServerClosing(),
        Welcome(None, 8096, lines=False),
        ServerClosing(),
    ]


def test_unknown_offers_and_commands_are_ignored() -> None:
    session = opening()
    answer = encode(1, b"rsp", b"200 OK\nrelp_version=0\nbandwidth=low\ncommands=eventlog,lines\n")
    assert session.feed(b"0 hint 3 abc\n" + answer + b"7 unknown 0\n") == [Welcome(None, 8096, lines=True)]


def test_it_is_exhausted_before_transaction_numbers_wrap() -> None:
    session = welcomed()
    session._next_txnr = session._oldest_txnr = 999_999_998
    before = session.is_exhausted
    session.block(b"a\n")
    assert (before, session.is_exhausted) == (False, True)
    assert session.close() == b"999999999 close 0\n"
    assert session.feed(b"999999998 rsp 6 200 OK\n999999999 rsp 0\n") == [Acked(), Closed()]


def test_many_transaction_numbers_are_reserved_at_once() -> None:
    session = welcomed(messages=True)
    left = session.frames_left
    assert session.reserve_transactions(3) == range(2, 5)
    assert session.frames_left == left - 3
    assert session.message(b"a") == b"5 syslog 1 a\n"
    assert session.unacknowledged == 4
    assert session.feed(b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n") == [Acked(), Acked()]


def test_the_acks_before_a_fault_are_not_lost_with_it() -> None:
    session = welcomed()
    session.block(b"a\n")
    with pytest.raises(WireError) as caught:
        session.feed(b"2 rsp 6 200 OK\ngarbage")
    assert caught.value.completed == [Acked()]


ANSWERS = st.lists(
    st.sampled_from([b"200 OK", b"500 too large", b"200", b"", b"OK", b"200 OK\nrelp_version=0"]), max_size=6
)


@given(ANSWERS, st.binary(max_size=20), CUTS)
def test_any_cut_gives_the_same_events_and_the_same_fault(
    answers: list[bytes], garbage: bytes, places: list[int]
) -> None:
    def session_with_messages() -> ClientSession:
        session = welcomed(messages=True)
        for _ in range(5):
            session.message(b"line")
        return session

    data = b"".join(encode(txnr, b"rsp", answer) for txnr, answer in enumerate(answers, 2)) + garbage
    assert fed(session_with_messages().feed, cut(data, places)) == fed(session_with_messages().feed, [data])
