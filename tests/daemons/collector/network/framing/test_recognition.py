from __future__ import annotations

import logging
import logging.handlers

import pytest

from nodelogd.collector.network.framing.recognition import recognise


def pickled() -> bytes:
    handler = logging.handlers.SocketHandler("127.0.0.1", 1)
    return handler.makePickle(logging.LogRecord("name", logging.INFO, "path", 1, "text %d", (1,), None))


@pytest.mark.parametrize(
    ("sample", "found"),
    [
        (b"", ""),
        (b"a line that is not complete", ""),
        (b"<14>a record\0<14>another", "framing=nul"),
        (b'{"version": "1.1", "short_message": "x"}\0', "framing=nul"),
        (b"52 <14>1 2026-01-01T00:00:00Z host app - - - record", "framing=octet-counting"),
        (b"52 ordinary words", ""),
        (b"one\rtwo\r", "CR alone"),
        (b"one\ntwo\n", "without framing"),
        (pickled(), "SocketHandler"),
        (pickled()[60:], "SocketHandler"),
        (b"\x16\x03\x01\x02\0\x01\0", "TLS"),
    ],
)
def test_what_a_sender_uses_in_place_of_lf_is_recognised(sample: bytes, found: str) -> None:
    hint = recognise(sample)
    assert found in hint
    assert bool(found) == bool(hint)
