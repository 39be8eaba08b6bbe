import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.wire.byte_cuts import CUTS, cut, fed

from nodelog.wire.errors import WireError
from nodelog.wire.frames import LARGEST_NUMBER, Decoder, Frame, Oversized, encode
from nodelog.wire.offers import SOFTWARE, Offers, format_offers, parse_offers
from nodelog.wire.server_session import Block, Close, Message, Open, ServerSession

STREAM = bytes(range(16))
SYSLOG = Offers(version=0, commands=(b"syslog",))
LINES = Offers(version=0, commands=(b"syslog", b"lines"))
LIMIT = 10_000


def opened(offers: Offers = LINES, *, durable: int | None = None, max_data: int = LIMIT) -> ServerSession:
    """Return a session whose client has opened it with these offers."""
    session = ServerSession(max_data=max_data)
    session.feed(encode(1, b"open", format_offers(offers)))
    session.accept(durable)
    return session


def answer(offers: Offers, durable: int | None = None) -> Offers:
    """Return what the server answers to these offers."""
    session = ServerSession(max_data=LIMIT)
    assert session.feed(encode(1, b"open", format_offers(offers))) == [Open(offers)]
    (frame,) = Decoder(max_data=LIMIT).feed(session.accept(durable))
    assert isinstance(frame, Frame)
    assert (frame.txnr, frame.command) == (1, b"rsp")
    status, _, rest = bytes(frame.data).partition(b"\n")
    assert status == b"200 OK"
    return parse_offers(rest)


@pytest.mark.parametrize(("offered", "answered"), [(0, 0), (1, 1), (2, 1), (999, 1)])
def test_the_smaller_version_is_negotiated(offered: int, answered: int) -> None:
    assert answer(Offers(version=offered, commands=(b"syslog",))).version == answered


def test_the_answer_contains_nothing_that_was_not_offered() -> None:
    assert answer(SYSLOG) == SYSLOG
    assert answer(SYSLOG, durable=5) == SYSLOG
    assert answer(Offers(version=0, commands=(b"eventlog", b"lines"), name="pod")) == Offers(
        version=0, commands=(b"lines",), max_data=LIMIT
    )


def test_the_answer_contains_everything_that_was_offered() -> None:
    offers = Offers(
        version=1, software="x", commands=(b"lines", b"tls", b"syslog"), stream=(STREAM, 3), name="pod"
    )
    assert answer(offers, durable=7) == Offers(
        version=1, software=SOFTWARE, commands=(b"syslog", b"lines"), stream=(STREAM, 7), max_data=LIMIT
    )


def test_the_limit_is_at_most_the_largest_size_of_a_frame() -> None:
    session = ServerSession(max_data=1 << 31)
    session.feed(encode(1, b"open", format_offers(LINES)))
    assert b"\nnodelog_max=999999999\n" in session.accept()


@pytest.mark.parametrize(
    ("lowest", "durable", "first"), [(1, 0, 1), (5, 0, 5), (5, 4, 5), (5, 5, 6), (5, 9, 10)]
)
def test_blocks_are_numbered_from_the_lowest_that_is_not_durable(
    lowest: int, durable: int, first: int
) -> None:
    session = opened(Offers(version=0, commands=(b"lines",), stream=(STREAM, lowest)), durable=durable)
    frames = encode(2, b"lines", b"a\n") + encode(3, b"lines") + encode(4, b"lines", b"b\nc\n")
    assert session.feed(frames) == [
        Block(2, first, memoryview(b"a\n")),
        Block(3, first + 1, memoryview(b"")),
        Block(4, first + 2, memoryview(b"b\nc\n")),
    ]


def test_blocks_without_a_stream_have_no_number() -> None:
    offered = Offers(version=0, commands=(b"lines",), stream=(STREAM, 1))
    for session in (opened(LINES, durable=3), opened(offered, durable=None)):
        assert session.feed(encode(2, b"lines", b"a\n")) == [Block(2, None, memoryview(b"a\n"))]


def test_a_message_may_contain_any_bytes() -> None:
    frames = encode(2, b"syslog", b"a\nb\0\xff") + encode(3, b"syslog")
    assert opened(SYSLOG).feed(frames) == [Message(2, memoryview(b"a\nb\0\xff")), Message(3, memoryview(b""))]


def test_an_oversized_message_is_skipped_and_rejected() -> None:
    session = opened(SYSLOG, max_data=100)
    for piece in (b"2 syslog 5000 ", b"x" * 2000, b"x" * 2000, b"x" * 1000):
        assert session.feed(piece) == []
        assert session.pending < 64
    after = encode(3, b"syslog", b"next")
    assert session.feed(b"\n" + after) == [Oversized(2, b"syslog", 5000), Message(3, memoryview(b"next"))]
    assert session.reject(2, "message of 5000 bytes") == b"2 rsp 25 500 message of 5000 bytes\n"
    assert session.ack(3) == b"3 rsp 6 200 OK\n"
    assert session.unacknowledged == 0


def test_an_oversized_block_is_a_fault_before_it_is_buffered() -> None:
    session = opened(max_data=100)
    with pytest.raises(WireError, match="lines frame of 101 bytes, at most 100 allowed"):
        session.feed(b"2 lines 101 ")
    assert session.pending == 0


def test_a_block_that_does_not_end_with_lf_is_a_fault() -> None:
    with pytest.raises(WireError, match="block of 3 bytes ends with byte 0x62, not with LF"):
        opened().feed(encode(2, b"lines", b"a\nb"))


@pytest.mark.parametrize(("offers", "command"), [(SYSLOG, b"lines"), (LINES, b"eventlog"), (LINES, b"rsp")])
def test_a_command_that_was_not_negotiated_is_a_fault(offers: Offers, command: bytes) -> None:
    with pytest.raises(WireError, match=f"transaction 2 is {command.decode()}, which was not negotiated"):
        opened(offers).feed(encode(2, command, b"a\n"))


def test_an_oversized_message_that_was_not_negotiated_is_a_fault() -> None:
    session = opened(Offers(version=0, commands=(b"lines",)), max_data=10)
    with pytest.raises(WireError, match="transaction 2 is syslog, which was not negotiated"):
        session.feed(encode(2, b"syslog", b"x" * 11))


@pytest.mark.parametrize("txnr", [0, 1, 3, 999_999_999])
def test_transactions_are_counted_without_a_gap(txnr: int) -> None:
    with pytest.raises(WireError, match=f"transaction {txnr} where 2 was expected"):
        opened().feed(encode(txnr, b"syslog", b"a"))


def test_transactions_begin_at_1_again_after_the_largest() -> None:
    session = opened()
    session._next_txnr = LARGEST_NUMBER
    events = session.feed(encode(LARGEST_NUMBER, b"syslog", b"a") + encode(1, b"syslog", b"b"))
    assert events == [Message(LARGEST_NUMBER, memoryview(b"a")), Message(1, memoryview(b"b"))]
    assert session.ack(LARGEST_NUMBER) == b"999999999 rsp 6 200 OK\n"
    session._next_txnr = 1
    with pytest.raises(WireError, match="transaction 1 is open"):
        session.feed(encode(1, b"open", format_offers(LINES)))


@pytest.mark.parametrize("command", [b"syslog", b"lines", b"close", b"rsp"])
def test_the_first_frame_is_open(command: bytes) -> None:
    with pytest.raises(WireError, match=f"transaction 1 is {command.decode()}"):
        ServerSession(max_data=LIMIT).feed(encode(1, command, b"a\n"))


def test_a_second_open_is_a_fault_as_it_is_in_librelp() -> None:
    with pytest.raises(WireError, match="transaction 2 is open"):
        opened().feed(encode(2, b"open", format_offers(LINES)))


def test_an_open_is_not_longer_than_sniffing_recognises() -> None:
    session = ServerSession(max_data=1_000_000)
    with pytest.raises(WireError, match="open frame of 10000 bytes, at most 9999 allowed"):
        session.feed(b"1 open 10000 ")


@pytest.mark.parametrize("commands", [(), (b"eventlog",)])
def test_a_client_that_offers_no_known_command_is_a_fault(commands: tuple[bytes, ...]) -> None:
    with pytest.raises(WireError, match="neither syslog nor lines"):
        opened(Offers(version=0, commands=commands))


@pytest.mark.parametrize(("commands", "lowest"), [((b"syslog",), 1), ((b"syslog", b"lines"), 0)])
def test_a_stream_needs_lines_and_block_numbers_from_1(commands: tuple[bytes, ...], lowest: int) -> None:
    with pytest.raises(WireError, match="a stream needs the command lines, and block numbers from 1"):
        opened(Offers(version=0, commands=commands, stream=(STREAM, lowest)))


def test_a_block_before_the_answer_to_open_is_a_fault() -> None:
    session = ServerSession(max_data=LIMIT)
    with pytest.raises(WireError, match="a block arrived before the answer to open") as caught:
        session.feed(encode(1, b"open", format_offers(LINES)) + encode(2, b"lines", b"a\n"))
    assert caught.value.completed == [Open(LINES)]


def test_a_message_may_come_before_the_answer_to_open() -> None:
    session = ServerSession(max_data=LIMIT)
    frames = encode(1, b"open", format_offers(SYSLOG)) + encode(2, b"syslog", b"a") + encode(3, b"close")
    assert session.feed(frames) == [Open(SYSLOG), Message(2, memoryview(b"a")), Close(3)]
    assert b"\ncommands=syslog\n" in session.accept()


@pytest.mark.parametrize("command", [b"syslog", b"lines", b"close", b"open"])
def test_nothing_comes_after_close(command: bytes) -> None:
    session = opened()
    assert session.feed(encode(2, b"close")) == [Close(2)]
    assert session.ack(2) == b"2 rsp 6 200 OK\n"
    with pytest.raises(WireError, match=f"transaction 3 is {command.decode()}"):
        session.feed(encode(3, command, b"a\n"))


def test_every_frame_is_unacknowledged_until_it_is_answered() -> None:
    session = ServerSession(max_data=100)
    session.feed(encode(1, b"open", format_offers(LINES)))
    assert session.unacknowledged == 1
    session.accept()
    frames = [encode(2, b"lines", b"a\n"), encode(3, b"syslog", b"b"), encode(4, b"syslog", b"b" * 101)]
    session.feed(b"".join(frames) + encode(5, b"close"))
    assert session.unacknowledged == 4
    assert session.ack(2) + session.ack(3) == b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n"
    session.reject(4, "too large")
    session.ack(5)
    assert session.unacknowledged == 0


def test_the_error_carries_the_blocks_before_the_fault() -> None:
    session = opened()
    with pytest.raises(WireError) as caught:
        session.feed(encode(2, b"lines", b"good\n") + encode(3, b"lines", b"bad"))
    assert caught.value.completed == [Block(2, None, memoryview(b"good\n"))]


FRAMES = st.lists(
    st.one_of(
        st.tuples(st.just(b"lines"), st.binary(max_size=120).map(lambda data: data and data + b"\n")),
        st.tuples(st.just(b"syslog"), st.binary(max_size=200)),
        st.tuples(st.sampled_from([b"close", b"open", b"rsp", b"x"]), st.binary(max_size=5)),
    ),
    max_size=8,
)


@given(FRAMES, st.binary(max_size=20), CUTS)
def test_any_cut_gives_the_same_events_and_the_same_fault(
    frames: list[tuple[bytes, bytes]], garbage: bytes, places: list[int]
) -> None:
    data = b"".join(encode(txnr, *frame) for txnr, frame in enumerate(frames, 2)) + garbage
    offers = Offers(version=0, commands=(b"syslog", b"lines"), stream=(STREAM, 4))
    at_once = fed(opened(offers, durable=6, max_data=100).feed, [data])
    session = opened(offers, durable=6, max_data=100)
    assert fed(session.feed, cut(data, places)) == at_once
    assert session.pending <= 164
