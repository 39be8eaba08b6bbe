"""A client that resumes a RELP stream, and the content of the log afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.numbered_lines import log_pieces
from tests.relp_client import STREAM, block, connect

if TYPE_CHECKING:
    from tests.processes.logd import Logd


def log_content(logd: Logd) -> bytes:
    """Return the content of all files of the log."""
    return b"".join(log_pieces(logd.log))


def resume_from(logd: Logd, first: int, count: int, name: str = "block") -> int:
    """Resume the stream as a client that holds these blocks; return how many it had to send."""
    with connect(logd.port, (STREAM, first)) as client:
        durable = client.welcome().durable
        assert durable is not None
        missing = range(max(first, durable + 1), first + count)
        client.store(*(block(number, name=name) for number in missing))
        return len(missing)
