"""The guarantee: whatever dies, each line in the spool is stored once and in order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.client.shipping.simulated_collector import Connection, SimulatedCollector
from tests.client.spool.spool_files import abandon

from nodelog.shipping.delivery_session import DeliverySession
from nodelog.spool.blocks import BLOCK_BYTES
from nodelog.spool.file_spool import FileSpool

SIZES = st.lists(st.integers(0, 3000) | st.integers(0, BLOCK_BYTES), max_size=4)  # of lines
ALL = 1 << 30
PART = st.just(ALL) | st.integers(0, 200) | st.integers(0, 2 * BLOCK_BYTES)
"""Numbers of bytes that arrive at a time."""


class World(RuleBasedStateMachine):
    """A client with a spool, a collector, and a network that delivers bytes at any time."""

    def __init__(self) -> None:
        """Start with an empty spool."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.collector = SimulatedCollector()
        self.spooled_lines: list[bytes] = []  # lines that are or were in the spool
        # Bytes on their way to the collector, oldest connection first.
        self.in_transit: list[tuple[Connection, bytearray]] = []
        self.connection: Connection | None = None  # the client's connection
        self.messages: list[str] = []
        self.start()

    def start(self) -> None:
        """Start the client."""
        self.spool = FileSpool(self.folder / "spool")
        window = 4 * BLOCK_BYTES
        self.session = DeliverySession(
            self.spool, name="it", tell=self.messages.append, window_bytes=window, jitter=lambda: 1
        )

    @rule(sizes=SIZES, arrives=PART, commits=st.booleans(), hears=PART)
    def exchange(self, sizes: list[int], arrives: int, hears: int, *, commits: bool) -> None:
        """Log some lines; let a part of what is sent arrive, and a part of the answers."""
        lines = [b"%d " % (len(self.spooled_lines) + at) + b"x" * size for at, size in enumerate(sizes)]
        if lines:
            self.spool.append(lines)
            self.spooled_lines += lines
        if self.connection is None:
            self.connection = self.collector.connect()
            self.in_transit.append((self.connection, bytearray(self.session.connection_made())))
        self.in_transit[-1][1].extend(b"".join(self.session.frames_to_send()))
        self.arrive(len(self.in_transit) - 1, arrives)
        if commits:
            self.collector.commit()
        data = bytes(self.connection.out[:hears])
        del self.connection.out[:hears]
        self.session.feed(data)
        if self.session.must_hang_up:
            self.lose_connection(by_peer=False)
        elif not self.connection.is_open:  # a late `open` of an older connection has closed it
            self.lose_connection(by_peer=True)

    @precondition(lambda self: self.in_transit)
    @rule(which=st.integers(0, 9), size=PART)
    def arrive(self, which: int, size: int) -> None:
        """Let bytes arrive at the collector, maybe over a connection that the client has left."""
        connection, data = self.in_transit[which % len(self.in_transit)]
        part = bytes(data[:size])
        del data[:size]
        self.collector.receive(connection, part)

    @rule(harm=st.sampled_from(["lost by us", "lost by the peer", "server killed", "client killed"]))
    def harm(self, harm: str) -> None:
        """Let something go wrong."""
        if harm == "server killed":
            self.crash_server()
        elif harm == "client killed":
            self.kill_client()
        else:
            self.lose_connection(by_peer=harm == "lost by the peer")

    @rule(sizes=SIZES)
    def go_well(self, sizes: list[int]) -> None:
        """Let everything arrive except the last answers."""
        self.exchange(sizes, ALL, ALL, commits=False)
        self.collector.commit()

    def lose_connection(self, *, by_peer: bool) -> None:
        """Lose the connection; the collector does not notice."""
        if self.connection is not None:
            self.session.connection_lost(by_peer=by_peer)
            self.connection = None

    def crash_server(self) -> None:
        """Kill the collector."""
        self.collector.crash()
        for connection, _ in self.in_transit:
            connection.is_open = False
        self.in_transit.clear()
        self.lose_connection(by_peer=True)

    def kill_client(self) -> None:
        """Kill the client, and start it again with its spool."""
        abandon(self.spool)
        self.connection = None
        self.start()

    @rule()
    def commit_removals(self) -> None:
        """Delete from the file what was forgotten."""
        self.spool.commit_removals()

    @invariant()
    def nothing_is_stored_twice_or_torn(self) -> None:
        """Each stored line was in the spool, and is stored once."""
        assert len(self.collector.stored_lines) == len(set(self.collector.stored_lines))
        assert set(self.collector.stored_lines) <= set(self.spooled_lines)

    def teardown(self) -> None:
        """Let everything arrive: nothing is missing, and all is in order."""
        try:
            for _ in range(300):
                if not self.session.has_lines:
                    break
                for number in range(len(self.in_transit)):
                    self.arrive(number, ALL)
                self.exchange([], ALL, ALL, commits=True)
            assert self.collector.stored_lines == self.spooled_lines
            assert self.spool.lines == 0
            assert not self.messages
        finally:
            abandon(self.spool)
            shutil.rmtree(self.folder)


def test_a_line_in_the_spool_is_stored_once_whatever_dies() -> None:
    # Without Phase.shrink, which would take longer than a test is allowed to.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    run_state_machine_as_test(World, settings=settings(max_examples=60, deadline=None, phases=phases))
