"""The promise: whatever dies, each line that is in the spool is stored once, and in its order."""

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
from tests.client.shipping.simulated_collector import Connection, Server
from tests.client.spool.spool_files import leave

from nodelog.shipping.delivery_session import DeliverySession
from nodelog.spool.blocks import BLOCK_BYTES
from nodelog.spool.file_spool import FileSpool

SIZES = st.lists(st.integers(0, 3000) | st.integers(0, BLOCK_BYTES), max_size=4)  # of lines
ALL = 1 << 30
PART = st.just(ALL) | st.integers(0, 200) | st.integers(0, 2 * BLOCK_BYTES)
"""Bytes that arrive at a time."""


class World(RuleBasedStateMachine):
    """One client on a spool, a collector, and a network between them that carries bytes when it likes."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.server = Server()
        self.kept: list[bytes] = []  # lines that are in the spool, or were
        self.ways: list[tuple[Connection, bytearray]] = []  # bytes on their way to the server, oldest first
        self.here: Connection | None = None  # the client's connection
        self.told: list[str] = []
        self.start()

    def start(self) -> None:
        """Start the client."""
        self.spool = FileSpool(self.folder / "spool")
        window = 4 * BLOCK_BYTES
        self.courier = DeliverySession(
            self.spool, name="it", tell=self.told.append, window=window, draw=lambda: 1
        )

    @rule(sizes=SIZES, arrives=PART, commits=st.booleans(), hears=PART)
    def exchange(self, sizes: list[int], arrives: int, hears: int, *, commits: bool) -> None:
        """Log some lines, let some of what may be sent arrive, and some of the answers."""
        lines = [b"%d " % (len(self.kept) + at) + b"x" * size for at, size in enumerate(sizes)]
        if lines:
            self.spool.append(lines)
            self.kept += lines
        if self.here is None:
            self.here = self.server.connect()
            self.ways.append((self.here, bytearray(self.courier.connection_made())))
        self.ways[-1][1].extend(b"".join(self.courier.frames_to_send()))
        self.arrive(len(self.ways) - 1, arrives)
        if commits:
            self.server.commit()
        data = bytes(self.here.out[:hears])
        del self.here.out[:hears]
        self.courier.feed(data)
        if self.courier.must_hang_up:
            self.lose_connection(by_peer=False)
        elif not self.here.is_open:  # a late `open` of an older connection has ended it
            self.lose_connection(by_peer=True)

    @precondition(lambda self: self.ways)
    @rule(which=st.integers(0, 9), size=PART)
    def arrive(self, which: int, size: int) -> None:
        """Let bytes arrive at the server, maybe over a connection that the client has left."""
        connection, data = self.ways[which % len(self.ways)]
        part = bytes(data[:size])
        del data[:size]
        self.server.receive(connection, part)

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
        """Let everything arrive but what is answered to it."""
        self.exchange(sizes, ALL, ALL, commits=False)
        self.server.commit()

    def lose_connection(self, *, by_peer: bool) -> None:
        """Lose the connection; the server does not notice."""
        if self.here is not None:
            self.courier.connection_lost(by_peer=by_peer)
            self.here = None

    def crash_server(self) -> None:
        """Kill the server."""
        self.server.crash()
        for connection, _ in self.ways:
            connection.is_open = False
        self.ways.clear()
        self.lose_connection(by_peer=True)

    def kill_client(self) -> None:
        """Kill the client, and start it again on its spool."""
        leave(self.spool)
        self.here = None
        self.start()

    @rule()
    def settle(self) -> None:
        """Write down what was forgotten."""
        self.spool.commit_removals()

    @invariant()
    def nothing_is_stored_twice_or_torn(self) -> None:
        """Each line that is stored was kept, and is there once."""
        assert len(self.server.stored) == len(set(self.server.stored))
        assert set(self.server.stored) <= set(self.kept)

    def teardown(self) -> None:
        """Let all of it arrive: nothing is missing, and all is in order."""
        try:
            for _ in range(300):
                if not self.courier.has_lines:
                    break
                for number in range(len(self.ways)):
                    self.arrive(number, ALL)
                self.exchange([], ALL, ALL, commits=True)
            assert self.server.stored == self.kept
            assert self.spool.lines == 0
            assert not self.told
        finally:
            leave(self.spool)
            shutil.rmtree(self.folder)


def test_a_line_in_the_spool_is_stored_once_whatever_dies() -> None:
    # Without Phase.shrink, which would take longer than a test may.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    run_state_machine_as_test(World, settings=settings(max_examples=60, deadline=None, phases=phases))
