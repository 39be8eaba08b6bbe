"""`nodelog tail`: the log of a node as it grows, streamed by the node's agent.

The agent sends server-sent events whose data is JSON, so that no byte of a line is part of the protocol.
"""

from __future__ import annotations

import hmac
import json
import random
import time
import urllib.parse
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, Final, Protocol

from nodelog.backoff import delays
from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stdio.stdout import is_terminal, write
from nodelog.commands.stdio.terminal_escaping import escape, text_bytes
from nodelog.shipping.network.name_lookup import LOOKUP_SECONDS, NameLookup, connect_to, lookup_failure
from nodelog.token_proof import SCHEME, agent_proof, new_nonce, reader_proof

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

IDLE_TIMEOUT: Final = 40.0
"""Seconds without data after which the agent counts as gone; it sends something every 15 seconds."""
MAX_EVENT: Final = 4 * 1024**2
"""Bytes of an event, at most."""
OK: Final = 200
_MAX_REFUSAL: Final = 4096  # bytes

print_message = MessagePrinter("tail")


class RefusedError(Exception):
    """The agent does not show the log, and asking again would not help."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to show, and where the agent is."""

    agent: tuple[str, int]
    token: str
    lines: int
    filter: str


class LineReader(Protocol):
    """A stream that is read line by line."""

    def readline(self, limit: int = -1, /) -> bytes:
        """Return the next line with its LF, at most `limit` bytes; empty at the end."""


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    try:
        token = args.token_file.read_text().strip() if args.token_file else ""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        print_message(f"cannot read {args.token_file}: {why}; see --token-file")
        return 2
    if not (token.isascii() and token.isprintable()):  # it is sent in a header
        print_message(f"{args.token_file} contains no token: one line of printable ASCII; see --token-file")
        return 2
    printer = EventPrinter(write, is_terminal=is_terminal())
    try:
        for event, data in follow(Settings(args.agent, token, args.lines, args.filter)):
            printer.show(event, data)
    except RefusedError as error:
        print_message(str(error))
    return 1


def follow(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Yield the agent's events without end, reconnecting when the agent goes away. Raises RefusedError."""
    pauses = delays(random.random)
    lines, is_away = settings.lines, False
    lookup = NameLookup([settings.agent[0]], settings.agent[1], lambda: None)
    while True:
        try:
            with closing(HTTPConnection(*settings.agent, timeout=IDLE_TIMEOUT)) as connection:
                endpoints = lookup.wait_for_result(LOOKUP_SECONDS)
                connection.sock = connect_to(endpoints, IDLE_TIMEOUT)
                response = request_log(connection, settings, lines)
                if is_away:
                    print_message("the agent is back; lines written in the meantime are not shown")
                lines, is_away, pauses = 0, False, delays(random.random)
                yield from parse_events(response)
            why = "it hung up"
        except OSError as error:
            why = lookup_failure(error) or type(error).__name__
        except HTTPException as error:
            why = str(error) or type(error).__name__
        if not is_away:
            print_message(f"no answer from the agent at {_address(settings.agent)}: {why}; trying again")
            is_away = True
        time.sleep(next(pauses))


def request_log(connection: HTTPConnection, settings: Settings, lines: int) -> LineReader:
    """Request the log, beginning with its last `lines` lines; return the response. Raises RefusedError."""
    query = urllib.parse.urlencode({"lines": lines, "filter": settings.filter}, errors="surrogateescape")
    response = _get(connection, f"/tail?{query}", _authorization(connection, settings))
    if response.status == OK:
        return response
    text = escape(response.read(200).strip())
    raise RefusedError(f"the agent at {_address(settings.agent)} refuses: {response.status} {text}")


def _authorization(connection: HTTPConnection, settings: Settings) -> str:
    """Return the header that proves that we have the token, once the agent has proved that it has it.

    Raises RefusedError.
    """
    if not settings.token:
        return ""
    token, own = settings.token.encode(), new_nonce()
    response = _get(connection, "/tail", f"{SCHEME} {own}")
    response.read(_MAX_REFUSAL)
    scheme, nonce, proof = ((response.getheader("WWW-Authenticate") or "").split(" ") + [""] * 3)[:3]
    expected = agent_proof(token, own, nonce).encode()
    if scheme == SCHEME and hmac.compare_digest(proof.encode(errors="replace"), expected):
        return f"{SCHEME} {own} {nonce} {reader_proof(token, own, nonce)}"
    raise RefusedError(
        f"what listens at {_address(settings.agent)} does not have the token in its --tail-token; "
        "nothing was sent to it: check --agent and --token-file"
    )


def _get(connection: HTTPConnection, target: str, authorization: str) -> HTTPResponse:
    connection.request("GET", target, headers={"Authorization": authorization} if authorization else {})
    return connection.getresponse()


def parse_events(reader: LineReader) -> Iterator[tuple[str, Any]]:
    """Yield the name and data of each event. Raises RefusedError if the stream is not an agent's."""
    name = ""
    while line := reader.readline(MAX_EVENT):
        field, _, value = line.rstrip(b"\n").partition(b": ")
        if field == b"event":
            name = value.decode(errors="replace")
        elif field == b"data":
            try:
                data = json.loads(value)
            except (ValueError, RecursionError):
                raise RefusedError(f"not an event of an agent: {escape(line[:80])}") from None
            yield name, data


class EventPrinter:
    """Prints the lines of events: escaped on a terminal, unchanged elsewhere."""

    def __init__(self, write: Callable[[bytes], object], *, is_terminal: bool) -> None:
        self._write = write
        self._is_terminal = is_terminal

    def show(self, event: str, data: Any) -> None:  # noqa: ANN401 (JSON)
        """Print an event; ignore one of an unknown kind. Raises RefusedError."""
        match event, data:
            case "lines", [*lines]:
                self._write(b"".join(self._format(text_bytes(str(line))) for line in lines))
            case "skipped", {"bytes": int(size)}:
                print_message(f"{size:,} bytes skipped: they came faster than they were read")
            case "truncated", _:
                print_message("the log was truncated; continuing at its beginning")
            case "failed", {"why": str(why)}:
                raise RefusedError(escape(why.encode(errors="replace")))

    def _format(self, line: bytes) -> bytes:
        if not self._is_terminal:
            return line + b"\n"
        return "\t".join(map(escape, line.split(b"\t"))).encode() + b"\n"


def _address(agent: tuple[str, int]) -> str:
    host, port = agent
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
