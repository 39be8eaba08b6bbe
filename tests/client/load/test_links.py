"""The sockets of a load: what is said over them, and when."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

import pytest
from tests.running import wait_for

from nodelog.load.connection import Connection
from nodelog.load.links import Links
from nodelog.load.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator


class Polite(Connection):
    """A connection that notes what it says, and is done when a test says so."""

    handed = sent = 0
    is_done = is_through = False

    def __init__(self) -> None:
        super().__init__(0, Settings(run="abc", connections=1))
        self.said: list[str] = []

    def greet(self) -> None:
        """Note it."""
        self.said.append("hello")

    def await_welcome(self) -> None:
        """Wait for nobody."""

    def push(self) -> bool:
        """Send nothing."""
        return False

    def hear(self, event: int) -> bool:  # noqa: ARG002 (whatever it is)
        """Take nothing."""
        return False

    def stop(self) -> None:
        """Do nothing, as nothing is sent."""

    def end(self) -> None:
        """Note it."""
        self.said.append("goodbye")

    def _interest(self) -> int:
        return select.EPOLLIN

    def _rewind(self) -> bool:
        return False


@pytest.fixture
def polite() -> Polite:
    return Polite()


@pytest.fixture
def links(polite: Polite) -> Generator[Links]:
    """Open its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Links(server.getsockname(), [polite])
        found.open_all()
        yield found
        found.close()


def test_who_is_done_says_goodbye(links: Links, polite: Polite) -> None:
    polite.is_done = polite.is_through = True
    links.end_all(give_up=False)
    assert polite.said == ["hello", "goodbye"]
    assert links.is_busy


def test_who_is_done_while_it_connects_again_says_nothing_before_its_greeting(
    links: Links, polite: Polite
) -> None:
    links.lose(polite, ConnectionResetError("reset"))
    wait_for(lambda: links.ready(0) or polite.connecting, "it connects again")
    polite.is_done = polite.is_through = True
    links.end_all(give_up=False)
    assert polite.said == ["hello"]
    assert not links.is_busy
