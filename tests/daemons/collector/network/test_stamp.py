from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelogd.collector.network.stamp import MAX_STAMP, peer_name, stamp_lines

TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (("10.1.2.3", 40000), b"10.1.2.3:40000"),
        (("::1", 40000, 0, 0), b"[::1]:40000"),
        (("fe80::1%eth0", 5, 0, 2), b"[fe80::1%eth0]:5"),
    ],
)
def test_a_peer_name_is_a_conventional_address_and_port(
    address: tuple[str, int] | tuple[str, int, int, int], name: bytes
) -> None:
    assert peer_name(address) == name


@given(st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"") + b"\n"), min_size=1))
def test_each_line_gets_one_stamp_and_is_otherwise_unchanged(lines: list[bytes]) -> None:
    result = stamp_lines(b"".join(lines), b"peer").split(b"\n")[:-1]
    assert all(re.match(TIME + rb" peer ", line) for line in result)
    assert [line.split(b" ", 2)[2] + b"\n" for line in result] == lines


def test_a_stamp_is_the_time_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 11, 22, 13, 5, 9, 7_999, tzinfo=UTC)
    monkeypatch.setattr(time, "time", moment.timestamp)
    assert stamp_lines(b"hello\n", b"10.0.0.1:5") == b"2026-11-22T13:05:09.007Z 10.0.0.1:5 hello\n"


def test_a_time_on_the_full_second_has_milliseconds_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert stamp_lines(b"\n\n", b"p") == b"1970-01-01T00:00:00.000Z p \n1970-01-01T00:00:00.000Z p \n"


def test_no_stamp_is_longer_than_max_stamp() -> None:
    longest = peer_name(("fe80:1111:2222:3333:4444:5555:6666:7777%interface012345", 65535, 0, 0))
    assert len(stamp_lines(b"\n", longest)) - 1 <= MAX_STAMP
