"""Recognises what a sender uses in place of LFs, from the bytes that it sent."""

from __future__ import annotations

import re

SAMPLE_SIZE = 4096  # bytes that are looked at

_KNOWN = [  # in this order: what comes later is also found in what comes earlier
    (
        re.compile(rb"\A[1-9][0-9]{0,6} <[0-9]{1,3}>"),
        "octet-counted messages; receive them on a port with --listen PORT,framing=octet-counting",
    ),
    (
        re.compile(rb"[XU][\x01-\x7f](?:\0\0\0)?(?:name|msg|args|levelname|pathname|filename|module)q"),
        "pickled records of logging's SocketHandler; use nodelog.NodeLogHandler in its place",
    ),
    (re.compile(rb"\A\x16\x03[\0-\x04]"), "TLS, which logd does not speak"),
    (re.compile(rb"\n"), "lines that end with LF; receive them on a port without framing"),
    (
        re.compile(rb"\0"),
        "messages ended by NUL; receive them on a port with --listen PORT,framing=nul",
    ),
    (re.compile(rb"\r"), "lines that end with CR alone; let the sender end them with LF"),
]


def recognise(sample: bytes) -> str:
    """Return what these bytes of an unfinished line seem to be, and what to do; empty for nothing known."""
    return next((hint for pattern, hint in _KNOWN if pattern.search(sample)), "")
