"""Lines, and a shipper that sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from nodelog import Shipper

HOST = "127.0.0.1"


def lines_of(name: str, count: int) -> list[bytes]:
    return [f"{name} {number}".encode() for number in range(count)]


def send_all(shipper: Shipper, lines: list[bytes]) -> None:
    for line in lines:
        assert shipper.send(line, PATIENCE)
