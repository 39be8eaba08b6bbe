from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.world import Pair, Server
from tests.client.spool.test_file import leave

from nodelog.shipping.courier import Courier
from nodelog.spool.blocks import BLOCK_BYTES, SpoolError
from nodelog.spool.file import FileSpool
from nodelog.spool.memory import Spool
from nodelog.wire.client import ClientSession

if TYPE_CHECKING:
    from pathlib import Path

FULL = [b"x" * 1023] * 64  # a block's worth of lines


def sealed(spool: Spool, *lines: bytes) -> Spool:
    """Append each line as a block of its own."""
    for line in lines:
        spool.append([line])
        spool.seal(spool.blocks(spool.stream)[-1])
    return spool


def left_by_a_run(path: Path, *lines: bytes) -> bytes:
    """Leave these lines in a file, each in a block; give the stream."""
    spool = FileSpool(path)
    sealed(spool, *lines)
    leave(spool)
    return spool.stream


def test_an_idle_line_goes_at_once() -> None:
    pair = Pair(Spool())
    pair.connect()
    assert not pair.send()
    pair.spool.append([b"a"])
    assert pair.send()
    pair.ack()
    assert pair.server.stored == [b"a"]
    assert pair.spool.lines == 0


def test_lines_gather_while_an_ack_is_awaited() -> None:
    pair = Pair(Spool())
    pair.connect()
    for line in (b"a", b"b", b"c"):
        pair.spool.append([line])
        pair.send()
    pair.ack()
    pair.run()
    assert pair.server.blocks == [b"a\n", b"b\nc\n"]


def test_a_full_block_does_not_wait_for_an_ack() -> None:
    pair = Pair(Spool())
    pair.connect()
    pair.spool.append([b"a"])
    pair.send()
    pair.spool.append([*FULL, b"b"])
    pair.send()
    pair.server.commit()
    assert pair.server.blocks == [b"a\n", b"".join(line + b"\n" for line in FULL)]


def test_no_more_than_the_window_is_unacknowledged() -> None:
    pair = Pair(Spool(), window=3 * BLOCK_BYTES)
    pair.connect()
    pair.spool.append(FULL * 10)
    assert 3 * BLOCK_BYTES < pair.send() < 3 * BLOCK_BYTES + 100
    assert not pair.send()
    pair.ack()
    assert pair.send() > 3 * BLOCK_BYTES


def test_a_block_larger_than_the_window_goes_alone() -> None:
    pair = Pair(Spool(), window=1000)
    pair.spool.append([*FULL, *FULL])
    pair.run()
    assert len(pair.server.stored) == 128


def test_what_is_durable_is_forgotten_and_the_rest_sent_from_there() -> None:
    pair = Pair(sealed(Spool(), b"a", b"b", b"c"))
    pair.server.durable[pair.spool.stream] = 0
    pair.connect()
    pair.send()
    pair.server.commit()  # and the acks are lost
    pair.hang_up()
    sealed(pair.spool, b"d")
    pair.run()
    assert pair.server.stored == [b"a", b"b", b"c", b"d"]
    assert [number for _, number in filter(None, pair.server.offered)] == [1, 1]


def test_what_was_only_taken_is_sent_again_after_a_crash() -> None:
    pair = Pair(sealed(Spool(), b"a", b"b"))
    pair.connect()
    pair.send()
    pair.server.crash()
    pair.hang_up()
    pair.run()
    assert pair.server.stored == [b"a", b"b"]


def test_streams_of_earlier_runs_go_first_each_over_a_connection_of_its_own(tmp_path: Path) -> None:
    streams = [left_by_a_run(tmp_path / "spool", b"1a", b"1b"), left_by_a_run(tmp_path / "spool", b"2a")]
    pair = Pair(sealed(FileSpool(tmp_path / "spool"), b"3a"))
    pair.run()
    assert pair.server.stored == [b"1a", b"1b", b"2a", b"3a"]
    assert pair.server.offered == [(streams[0], 1), (streams[1], 1), (pair.spool.stream, 1)]
    assert pair.server.durable == {pair.spool.stream: 1}  # the others are closed and forgotten
    pair.spool.close()


def test_a_stream_is_closed_only_when_its_blocks_cannot_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_a_run(tmp_path / "spool", b"1a")
    spool = FileSpool(tmp_path / "spool")
    pair = Pair(spool)
    pair.connect()
    pair.send()
    with monkeypatch.context() as patch:
        patch.setattr(spool, "settle_for_good", _fail)
        pair.ack()
        with pytest.raises(SpoolError):
            pair.send()
        assert pair.courier.ended
    leave(spool)
    pair = Pair(FileSpool(tmp_path / "spool"), pair.server)
    pair.run()
    assert pair.server.stored == [b"1a"]
    pair.spool.close()


def _fail() -> None:
    raise SpoolError("no")


def test_a_finished_courier_closes_its_stream_when_it_is_empty() -> None:
    pair = Pair(Spool())
    pair.spool.append([b"a"])
    pair.run()
    assert pair.server.durable
    pair.courier.finishing = True
    pair.send()
    pair.ack()
    assert pair.courier.ended
    assert not pair.server.durable
    assert pair.hang_up() == 0.0


def test_a_number_that_was_never_sent_means_another_stream_and_is_told() -> None:
    pair = Pair(sealed(Spool(), b"a", b"b"))
    old = pair.spool.stream
    pair.server.durable[old] = 1
    pair.run()
    assert pair.server.stored == [b"a", b"b"]
    assert pair.server.durable == {old: 1, pair.spool.stream: 2}
    assert pair.spool.stream != old
    (told,) = pair.told
    assert "has block 1 of a stream whose block 0 was sent last" in told
    assert "2 lines are sent again" in told


def test_a_stream_of_an_earlier_run_that_another_has_used_gets_a_new_name(tmp_path: Path) -> None:
    stream = left_by_a_run(tmp_path / "spool", b"a", b"b")
    pair = Pair(FileSpool(tmp_path / "spool"))
    pair.server.durable[stream] = 3
    pair.run()
    assert pair.server.stored == [b"a", b"b"]
    assert "block 3 of a stream whose block 2 was sent last" in pair.told[0]
    pair.spool.close()


def test_a_gap_is_passed_over_with_a_new_connection() -> None:
    pair = Pair(Spool(), window=2 * BLOCK_BYTES)
    pair.spool.append(FULL * 6)
    pair.connect()
    pair.send()
    pair.courier.make_room(4 * BLOCK_BYTES)
    pair.run()
    assert pair.server.stored == [*FULL * 2, b"nodelog: dropped 192 lines (spool full)", *FULL]
    assert [number for _, number in filter(None, pair.server.offered)] == [1, 5]
    assert pair.courier.connections == 2


def test_what_is_dropped_before_the_answer_does_not_shift_numbers() -> None:
    pair = Pair(Spool())
    pair.spool.append(FULL * 3)
    pair.connection = pair.server.connect()
    pair.server.receive(pair.connection, pair.courier.begin())
    pair.courier.make_room(2 * BLOCK_BYTES)
    pair.hear()
    pair.run()
    assert pair.server.durable == {pair.spool.stream: 3}
    assert pair.server.stored == [b"nodelog: dropped 128 lines (spool full)", *FULL]


def test_what_was_stored_before_it_was_dropped_is_not_announced() -> None:
    pair = Pair(sealed(Spool(), b"a", b"b"))
    pair.connect()
    pair.send()
    pair.server.commit()
    pair.hang_up()
    pair.courier.make_room(2)
    pair.run()
    assert pair.server.stored == [b"a", b"b"]


def test_a_block_that_hangs_the_server_up_five_times_in_a_row_is_set_aside(tmp_path: Path) -> None:
    pair = Pair(sealed(FileSpool(tmp_path / "spool"), b"bad", b"good"))
    for _ in range(5):
        pair.connect()
        pair.send()
        pair.server.crash()
        pair.hang_up()
    assert pair.told == [
        f"set aside 1 lines in {tmp_path}/spool: the collector hung up 5 times while it was to take them"
    ]
    pair.run()
    assert pair.server.stored == [b"good"]
    assert pair.spool.aside == 1
    pair.spool.close()


def test_a_suspect_goes_alone_so_that_the_guilty_one_is_found() -> None:
    pair = Pair(sealed(Spool(), b"good", b"bad", b"fine"))
    for _ in range(20):
        pair.connect()
        pair.send()
        if any(b"bad" in data for *_, data in pair.server._taken):
            pair.server.crash()
            pair.hang_up()
        else:
            pair.ack()
            pair.hang_up()
    assert pair.server.stored == [b"good", b"fine"]
    assert pair.spool.dropped == 1


@pytest.mark.parametrize("how", ["serverclose", "before the answer", "by us", "nothing in flight"])
def test_a_block_is_not_blamed_for_what_it_has_not_done(how: str) -> None:
    pair = Pair(sealed(Spool(), b"a"))
    for _ in range(10):
        if how == "before the answer":
            pair.courier.begin()
        else:
            pair.connect()
        if how != "nothing in flight":
            pair.send()
        if how == "serverclose":
            pair.say_goodbye()
            assert pair.courier.ended
        pair.server.crash()
        pair.courier.lost(by_peer=how != "by us")
    pair.run()
    assert pair.server.stored == [b"a"]


def test_an_ack_clears_a_block_of_suspicion() -> None:
    pair = Pair(Spool())
    for letter in b"abcdefgh":
        sealed(pair.spool, bytes([letter]))
        pair.connect()
        pair.send()
        pair.server.crash()
        pair.hang_up()
        pair.run()
        pair.hang_up()
    assert pair.server.stored == [bytes([letter]) for letter in b"abcdefgh"]


def test_pauses_grow_until_an_ack_not_until_a_connection() -> None:
    pair = Pair(sealed(Spool(), b"a", b"b"))
    pauses = []
    for _ in range(3):
        pair.connect()
        pauses.append(pair.courier.lost(by_peer=False))
    assert pauses == [0.1, 0.2, 0.4]
    pair.connect()
    pair.send()
    pair.ack()
    assert pair.courier.lost(by_peer=False) == 0.1


def test_serverclose_ends_the_connection_and_what_is_unacknowledged_comes_again() -> None:
    pair = Pair(sealed(Spool(), b"a"))
    pair.connect()
    pair.send()
    pair.server.crash()
    pair.say_goodbye()
    sealed(pair.spool, b"b")
    assert not pair.send()
    assert pair.courier.lost(by_peer=True) == 0.1
    pair.run()
    assert pair.server.stored == [b"a", b"b"]


def test_a_block_larger_than_the_server_takes_is_set_aside() -> None:
    pair = Pair(Spool(), Server(max_data=1000))
    pair.spool.append([b"a", b"x" * 70_000, b"b"])
    pair.run()
    assert pair.server.stored == [b"a", b"b"]
    assert pair.told == ["dropped 1 lines: 70001 bytes, and the collector takes 1000 at most"]


def test_a_server_that_breaks_the_protocol_is_left() -> None:
    pair = Pair(sealed(Spool(), b"a"))
    pair.connect()
    pair.send()
    pair.server.commit()
    pair.courier.feed(bytes(pair.connection.out) + b"rubbish\n")
    assert pair.courier.ended
    assert pair.courier.fault.startswith("it broke the protocol: ")
    assert pair.spool.lines == 0  # the ack before it counts


def test_a_server_that_refuses_us_is_left() -> None:
    pair = Pair(sealed(Spool(), b"a"))
    pair.courier.begin()
    pair.courier.feed(b"1 rsp 11 500 go away\n")
    assert pair.courier.ended
    assert pair.courier.fault == "it refuses us: 500 go away"


def test_a_server_without_streams_gets_blocks_at_least_once() -> None:
    pair = Pair(sealed(Spool(), b"a", b"b"), Server(keeps_streams=False))
    pair.connect()
    pair.send()
    pair.server.commit()
    pair.hang_up()
    pair.run()
    assert pair.server.stored == [b"a", b"b", b"a", b"b"]


@pytest.fixture
def foreign() -> Pair:
    """Give a pair whose server is not ours and knows `syslog` alone."""
    return Pair(Spool(), Server(foreign=True))


def test_a_foreign_server_gets_each_line_as_a_message(foreign: Pair) -> None:
    foreign.spool.append([b"a", b"", b"b"])
    foreign.connect()
    assert foreign.courier.welcome is not None
    assert not foreign.courier.welcome.lines
    foreign.run()
    assert foreign.server.stored == [b"a", b"", b"b"]
    assert len(foreign.server.blocks) == 3
    assert foreign.spool.lines == 0


def test_no_more_than_128_messages_are_unacknowledged(foreign: Pair) -> None:
    foreign.spool.append([b"%d" % number for number in range(1000)])
    foreign.connect()
    foreign.send()
    assert len(foreign.server._taken) == 128
    assert foreign.spool.lines == 1000
    foreign.run()
    assert foreign.server.stored == [b"%d" % number for number in range(1000)]


def test_a_block_of_messages_that_was_not_wholly_acknowledged_comes_again(foreign: Pair) -> None:
    foreign.spool.append([b"%d" % number for number in range(200)])
    foreign.connect()
    foreign.send()
    foreign.ack()
    foreign.hang_up()
    foreign.run()
    assert foreign.server.stored == [b"%d" % number for number in [*range(128), *range(200)]]


def test_a_message_that_is_rejected_is_set_aside_with_its_block(
    foreign: Pair,
) -> None:
    foreign.server._max_data = 100
    foreign.spool.append([b"a", b"x" * 200])
    foreign.run()
    assert foreign.told == ["dropped 2 lines: 500 200 bytes are too many"]
    assert foreign.spool.lines == 0


def test_an_exhausted_connection_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(Spool())
    monkeypatch.setattr(ClientSession, "exhausted", property(lambda session: session._next > 3))
    for letter in b"abcdefgh":
        sealed(pair.spool, bytes([letter]))
    pair.run()
    assert pair.server.stored == [bytes([letter]) for letter in b"abcdefgh"]
    assert pair.courier.connections == 4


def test_a_spool_that_fails_in_the_middle_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = Pair(sealed(Spool(), b"a", b"b", b"c"))
    read = pair.spool.read
    blocks = iter("ab")

    def fails(block: object) -> bytes:
        if not next(blocks, ""):
            raise SpoolError("no")
        return read(block)  # type: ignore[arg-type]

    pair.connect()
    monkeypatch.setattr(pair.spool, "read", fails)
    with pytest.raises(SpoolError):
        pair.send()
    assert pair.courier.ended
    monkeypatch.undo()
    pair.run()
    assert pair.server.stored == [b"a", b"b", b"c"]


def test_a_courier_that_was_never_connected_pauses_longer_each_time() -> None:
    courier = Courier(Spool(), name="test", tell=print, draw=lambda: 1.0)
    assert [courier.lost(by_peer=False) for _ in range(3)] == [0.1, 0.2, 0.4]
