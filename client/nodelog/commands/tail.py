"""`nodelog tail`: the log of a node as it grows, from the agent there.

The agent sends server-sent events whose data is JSON, so that no byte of a line is part of the protocol.
"""

from __future__ import annotations

import json
import random
import time
import urllib.parse
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final, Protocol

from nodelog.backoff import delays
from nodelog.commands.stdio.stderr import Voice, shown
from nodelog.commands.stdio.stdout import is_terminal, put

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

SILENCE: Final = 40.0
"""Seconds without a word after which the agent counts as gone: it says something every 15."""
LONGEST: Final = 64 * 1024**2
"""Bytes of an event."""
OK: Final = 200

say = Voice("tail")


class RefusedError(Exception):
    """The agent does not show the log, and will not if it is asked again."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to show, and where it is."""

    agent: tuple[str, int]
    token: str
    lines: int
    filter: str


class Source(Protocol):
    """Gives bytes line by line."""

    def readline(self, limit: int = -1, /) -> bytes:
        """Give the next line with its LF, at most `limit` bytes; nothing at the end."""


def command(given: argparse.Namespace) -> int:
    """Run it with these options; return the exit code."""
    try:
        token = given.token_file.read_text().strip() if given.token_file else ""
    except (OSError, ValueError) as error:
        say(f"cannot read {given.token_file}: {getattr(error, 'strerror', None) or error}; see --token-file")
        return 2
    if not (token.isascii() and token.isprintable()):  # it goes into a header
        say(f"{given.token_file} holds no token: one line of printable ASCII; see --token-file")
        return 2
    screen = Screen(put, is_terminal=is_terminal())
    try:
        for event, data in followed(Settings(given.agent, token, given.lines, given.filter)):
            screen.show(event, data)
    except RefusedError as error:
        say(str(error))
    return 1


def followed(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Yield what the agent sends, without end, whatever becomes of it meanwhile. Raises RefusedError."""
    pauses = delays(random.random)
    lines, is_away = settings.lines, False
    while True:
        try:
            with closing(HTTPConnection(*settings.agent, timeout=SILENCE)) as connection:
                answer = asked(connection, settings, lines)
                if is_away:
                    say("the agent is back; what came meanwhile is not shown")
                lines, is_away, pauses = 0, False, delays(random.random)
                yield from events(answer)
            why = "it hung up"
        except (OSError, HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if not is_away:
            say(f"no answer from the agent at {_name(settings.agent)}: {why}; trying again")
            is_away = True
        time.sleep(next(pauses))


def asked(connection: HTTPConnection, settings: Settings, lines: int) -> Source:
    """Ask the agent for the log; give its answer. Raises RefusedError."""
    query = urllib.parse.urlencode({"lines": lines, "filter": settings.filter}, errors="surrogateescape")
    connection.request("GET", f"/tail?{query}", headers={"Authorization": f"Bearer {settings.token}"})
    answer = connection.getresponse()
    if answer.status == OK:
        return answer
    text = shown(answer.read(200).strip())
    raise RefusedError(f"the agent at {_name(settings.agent)} refuses: {answer.status} {text}")


def events(source: Source) -> Iterator[tuple[str, Any]]:
    """Yield the events of a stream, each with its data. Raises RefusedError if it is none of an agent."""
    name = ""
    while line := source.readline(LONGEST):
        field, _, value = line.rstrip(b"\n").partition(b": ")
        if field == b"event":
            name = value.decode(errors="replace")
        elif field == b"data":
            try:
                data = json.loads(value)
            except ValueError:
                raise RefusedError(f"not an event of an agent: {shown(line[:80])}") from None
            yield name, data


class Screen:
    """Where lines are shown: escaped on a terminal, as they are elsewhere."""

    def __init__(self, put: Callable[[bytes], object], *, is_terminal: bool) -> None:
        self._put = put
        self._is_terminal = is_terminal

    def show(self, event: str, data: Any) -> None:  # noqa: ANN401 (JSON)
        """Show an event; one of an unknown kind is passed over. Raises RefusedError."""
        match event, data:
            case "lines", [*lines]:
                self._put(b"".join(self._line(raw(str(line))) for line in lines))
            case "skipped", {"bytes": int(size)}:
                say(f"{size:,} bytes skipped: they came faster than they were read")
            case "truncated", _:
                say("the log was truncated; going on at its beginning")
            case "failed", {"why": str(why)}:
                raise RefusedError(shown(why.encode(errors="replace")))

    def _line(self, line: bytes) -> bytes:
        if not self._is_terminal:
            return line + b"\n"
        return "\t".join(map(shown, line.split(b"\t"))).encode() + b"\n"


def raw(line: str) -> bytes:
    """Give the bytes of a line: the agent sends those that are no UTF-8 as Python's surrogates."""
    try:
        return line.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # none of ours
        return line.encode(errors="backslashreplace")


def _name(agent: tuple[str, int]) -> str:
    host, port = agent
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
