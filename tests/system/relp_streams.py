"""What a client of a stream does, and what it finds in the logs afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.loads import pieces
from tests.relp import STREAM, block, connected

if TYPE_CHECKING:
    from tests.running import Logd


def whole(logd: Logd) -> bytes:
    return b"".join(pieces(logd.log))


def send_from(logd: Logd, first: int, count: int, name: str = "block") -> int:
    """Do what a client of a stream does that holds these blocks; give how many it had to send."""
    with connected(logd.port, (STREAM, first)) as client:
        durable = client.welcome().durable
        assert durable is not None
        todo = range(max(first, durable + 1), first + count)
        client.store(*(block(number, name=name) for number in todo))
        return len(todo)
