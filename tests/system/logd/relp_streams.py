"""What a client of a stream does, and what it finds in the logs afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.numbered_lines import log_pieces
from tests.relp_client import STREAM, block, connect

if TYPE_CHECKING:
    from tests.processes.logd import Logd


def whole(logd: Logd) -> bytes:
    return b"".join(log_pieces(logd.log))


def send_from(logd: Logd, first: int, count: int, name: str = "block") -> int:
    """Do what a client of a stream does that holds these blocks; give how many it had to send."""
    with connect(logd.port, (STREAM, first)) as client:
        durable = client.welcome().durable
        assert durable is not None
        todo = range(max(first, durable + 1), first + count)
        client.store(*(block(number, name=name) for number in todo))
        return len(todo)
