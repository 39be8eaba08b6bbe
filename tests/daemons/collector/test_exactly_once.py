"""Clients, connections and a store under any order of events: each block is in the log exactly once.

Real sockets, real files, no threads: the machine does what the intake and the writer do, one step at a time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.daemons.collector.stepping_peer import SteppingPeer
from tests.daemons.collector.store_kills import contents

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.network.line_connection import LineLimits
from nodelogd.collector.network.relp_clients import RelpClients
from nodelogd.collector.network.relp_connection import RelpConnection
from nodelogd.collector.pipeline.arena import Arena
from nodelogd.collector.store import journal_file
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.log_store import LogStore, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Generator


PEERS = st.integers(0, 1)
LIMITS = LineLimits(4096)


@pytest.fixture(scope="module", autouse=True)
def _small_journals() -> Generator[None]:
    """Make journals small: the tests create thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_file, "JOURNAL_SIZE", 16 * 1024)
        yield


class Machine(RuleBasedStateMachine):
    """A collector and its clients."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108
        self.peers = [SteppingPeer(0), SteppingPeer(1)]
        self.metrics = Metrics()
        self.start()

    def start(self) -> None:
        """Start a collector on the existing files."""
        names = FileNames.resolve(self.directory / "node_log")
        self.store = LogStore(names, StoreSettings(rotate_size=200), self.metrics)
        self.clients: RelpClients[RelpConnection] = RelpClients(
            self.store.streams.last_block, self.store.streams.forget
        )
        self.clients.on_replaced = self.end
        self.arena = Arena(LIMITS.headroom)
        self.connections: list[RelpConnection] = []

    def stop(self) -> None:
        """Leave everything as a kill would."""
        for relp in [*self.connections]:
            self.end(relp)
        self.store.commits._journal.close()
        os.close(self.store._file.fd)

    def end(self, relp: RelpConnection) -> None:
        """Close a connection."""
        relp.release()
        relp.sock.close()
        self.connections.remove(relp)
        for peer in self.peers:
            if peer.relp is relp:
                peer.relp = None

    def write(self) -> int:
        """Write what was received; return its offset."""
        return self.store.append(self.arena.view[: self.arena.end], self.arena.last_blocks, is_awaited=True)

    def respond(self) -> None:
        """Sync and send the responses."""
        self.store.verify_position()
        self.store.commits.sync()
        receipts: dict[Any, int] = self.arena.receipts
        self.arena.clear()
        for relp, count in receipts.items():
            relp.send_responses(count)

    @rule(peer=PEERS)
    def make(self, peer: int) -> None:
        """Create a block to send."""
        self.peers[peer].create_block()

    @rule(peer=PEERS)
    def connect(self, peer: int) -> None:
        """Connect, while the collector may still have the previous connection of the stream."""
        self.read(peer)
        sock = self.peers[peer].connect()
        relp = self.peers[peer].relp = RelpConnection(sock, b"", LIMITS, self.metrics, self.clients)
        self.connections.append(relp)

    @rule(peer=PEERS, count=st.integers(1, 4))
    def send(self, peer: int, count: int) -> None:
        """Send some blocks without waiting for acks."""
        for _ in range(count):
            self.peers[peer].send()

    @rule(peer=PEERS)
    def read(self, peer: int) -> None:
        """Let the collector read from a connection."""
        relp = self.peers[peer].relp
        try:
            if relp and not relp.receive(self.arena):
                self.end(relp)
        except (BlockingIOError, ConnectionResetError):
            pass

    @rule()
    def commit(self) -> None:
        """Store what was read and send the responses."""
        self.write()
        self.respond()

    @rule()
    def commit_over_a_failed_sync(self) -> None:
        """Do the same, but the first sync fails."""
        self.store.restart_in_new_file(self.write())
        self.write()
        self.respond()

    @rule(peer=PEERS)
    def receive(self, peer: int) -> None:
        """Let a client read its responses."""
        self.peers[peer].read()

    @rule(peer=PEERS)
    def disconnect(self, peer: int) -> None:
        """Drop a connection, with or without responses in transit."""
        self.peers[peer].disconnect()

    @rule(peer=PEERS)
    def close(self, peer: int) -> None:
        """Let a client send `close`, if it has nothing left to send."""
        client = self.peers[peer]
        if client.sock and client.next is not None and not client.session.unacknowledged and not client.held:
            client.sock.send(client.session.close())
            self.read(peer)
            self.commit()
            client.disconnect()
            if client.relp:
                self.end(client.relp)

    @rule()
    def turn_over(self) -> None:
        """Seal the log file."""
        self.store.rotate()

    @rule(written=st.booleans())
    def kill(self, written: bool) -> None:
        """Kill the collector before or after it has written what it read."""
        if written:
            self.write()
        self.stop()
        self.start()

    def teardown(self) -> None:
        """Let all clients deliver what they hold, then check the log."""
        for number, peer in enumerate(self.peers):
            self.connect(number)
            for _ in range(2 * peer.created + 2):
                self.read(number)
                self.commit()
                peer.read()
                peer.send()
            assert peer.held == []
            peer.disconnect()
        self.stop()
        lines = contents(self.directory).splitlines()
        for peer in self.peers:
            expected = [
                b"%d block %d" % (peer.number, n) for n in range(1, peer.created + 1) for _ in range(n % 3)
            ]
            assert [line for line in lines if line.startswith(b"%d " % peer.number)] == expected
        shutil.rmtree(self.directory)


TestExactlyOnce = Machine.TestCase
TestExactlyOnce.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
