"""Both sides, connected by a wire that delivers bytes in any portions and is lost at any moment."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from nodelog.wire.client_session import Acked, ClientSession, Closed, Rejected, Welcome
from nodelog.wire.frames import Oversized
from nodelog.wire.server_session import Block, Close, Message, Open, ServerSession

STREAM = bytes(range(16))
LINES = st.binary(max_size=50).map(lambda line: line.replace(b"\n", b" "))
BLOCKS = st.lists(
    st.lists(LINES, max_size=4).map(lambda lines: b"".join(line + b"\n" for line in lines)), max_size=20
)
STEPS = st.lists(st.tuples(st.sampled_from(["send", "up", "down", "ack"]), st.integers(1, 60)), max_size=60)


@dataclass
class Wire:
    """A client, a server, the bytes between them, and the stored blocks by their number."""

    client: ClientSession
    stored: dict[int, bytes]
    limit: int = 1000
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    unanswered: deque[bytes] = field(default_factory=deque)
    welcome: Welcome | None = None
    acked: int = 0
    rejected: list[int] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    is_closed: bool = False

    def __post_init__(self) -> None:
        self.server = ServerSession(max_data=self.limit)
        self.up += self.client.hello()

    def deliver_to_server(self, size: int) -> None:
        """Deliver some bytes to the server."""
        data, self.up = bytes(self.up[:size]), self.up[size:]
        for event in self.server.feed(data):
            match event:
                case Open():
                    self.down += self.server.accept(max(self.stored, default=0))
                case Block(txnr, number, block):
                    assert number is not None
                    assert number not in self.stored
                    self.stored[number] = bytes(block)
                    self.unanswered.append(self.server.ack(txnr))
                case Message(txnr, message):
                    self.messages.append(bytes(message))
                    self.unanswered.append(self.server.ack(txnr))
                case Oversized(txnr):
                    self.unanswered.append(self.server.reject(txnr, "too large"))
                case Close(txnr):
                    self.unanswered.append(self.server.ack(txnr))

    def answer(self, count: int) -> None:
        """Answer some frames."""
        for _ in range(min(count, len(self.unanswered))):
            self.down += self.unanswered.popleft()

    def deliver_to_client(self, size: int) -> None:
        """Deliver some bytes to the client."""
        data, self.down = bytes(self.down[:size]), self.down[size:]
        for event in self.client.feed(data):
            match event:
                case Welcome():
                    self.welcome = event
                case Acked():
                    self.acked += 1
                case Rejected():
                    self.rejected.append(self.acked + len(self.rejected))
                case Closed():
                    self.is_closed = True

    def step(self, kind: str, size: int) -> None:
        """Take one step."""
        match kind:
            case "up":
                self.deliver_to_server(size)
            case "down":
                self.deliver_to_client(size)
            case "ack":
                self.answer(size)

    def deliver_all(self, size: int) -> None:
        """Deliver everything that is still under way, in portions."""
        while self.up or self.down or self.unanswered:
            for kind in ("up", "ack", "down"):
                self.step(kind, size)


@given(BLOCKS, STEPS, st.integers(1, 40))
def test_every_block_arrives_once_however_the_bytes_are_cut(
    blocks: list[bytes], steps: list[tuple[str, int]], portion: int
) -> None:
    stored: dict[int, bytes] = {}
    wire = Wire(ClientSession(stream=(STREAM, 1), name="pod"), stored)
    left = deque(blocks)
    for kind, size in steps:
        if kind != "send":
            wire.step(kind, size)
        elif wire.welcome and left:
            wire.up += b"".join(wire.client.block(left.popleft()))
    wire.deliver_all(portion)
    for block in left:
        wire.up += b"".join(wire.client.block(block))
    wire.up += wire.client.close()
    wire.deliver_all(portion)
    assert stored == dict(enumerate(blocks, 1))
    assert (wire.acked, wire.is_closed, wire.server.unacknowledged) == (len(blocks), True, 0)


@given(BLOCKS, st.lists(STEPS, max_size=4))
def test_every_block_is_stored_once_and_in_order_whatever_connection_is_lost(
    blocks: list[bytes], lives: list[list[tuple[str, int]]]
) -> None:
    stored: dict[int, bytes] = {}
    held = dict(enumerate(blocks, 1))  # what the client's spool holds
    for steps in [*lives, [("send", 1), ("up", 9999), ("ack", 9999), ("down", 9999)] * 50]:
        lowest = min(held, default=len(blocks) + 1)
        wire = Wire(ClientSession(stream=(STREAM, lowest), name="pod"), stored)
        following, forgotten = 0, 0
        for kind, size in steps:
            wire.step(kind, size)
            if wire.welcome and not following:
                assert wire.welcome.durable is not None
                forgotten = max(lowest, wire.welcome.durable + 1)
                following = forgotten
            elif kind == "send" and wire.welcome and following <= len(blocks):
                wire.up += b"".join(wire.client.block(held[following]))
                following += 1
            for number in [number for number in held if number < forgotten + wire.acked]:
                del held[number]
    assert list(stored.items()) == list(enumerate(blocks, 1))
    assert held == {}


@given(st.lists(LINES, max_size=20), STEPS, st.integers(1, 40))
def test_every_message_arrives_or_is_rejected_as_too_large(
    lines: list[bytes], steps: list[tuple[str, int]], portion: int
) -> None:
    wire = Wire(ClientSession(stream=None, name=None, frames="syslog"), {}, limit=30)
    wire.deliver_all(portion)
    wire.up += b"".join(map(wire.client.message, lines))
    for kind, size in steps:
        wire.step(kind, size)
    wire.deliver_all(portion)
    assert wire.messages == [line for line in lines if len(line) <= 30]
    assert wire.rejected == [nth for nth, line in enumerate(lines) if len(line) > 30]
    assert wire.client.unacknowledged == wire.server.unacknowledged == 0
