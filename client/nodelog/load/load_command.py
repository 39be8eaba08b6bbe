"""The command `nodelog load`: from its options to its figures."""

from __future__ import annotations

import json
import secrets
import sys
from typing import TYPE_CHECKING

from nodelog.commands.stdio.stdout import put_line
from nodelog.load.generator.coordinator import LoadError, run
from nodelog.load.generator.latency_histogram import Latency
from nodelog.load.generator.settings import Settings
from nodelog.load.live_progress import sending
from nodelog.load.report.html_page import page
from nodelog.load.report.totals import to_json, to_text, total

if TYPE_CHECKING:
    import argparse


def command(given: argparse.Namespace) -> int:
    """Send a load, print its figures; return the exit code."""
    try:
        settings = Settings(
            host=given.host,
            port=given.port,
            run=given.run or secrets.token_hex(3),
            connections=given.connections,
            line_size=given.line_size,
            write_size=given.write_size,
            rate=given.rate,
            duration=given.duration,
            total=given.bytes,
            processes=given.processes,
            protocol=given.protocol,
            frames=given.frames,
            window=given.window,
            through_restarts=given.through_restarts,
        )
    except ValueError as error:
        return _fail(str(error), 2)
    try:
        with sending(settings) as tell:
            record = run(settings, tell)
    except LoadError as error:
        return _fail(f"cannot send to {given.host} port {given.port}: {error}", 1)
    latency, acks = Latency(), Latency()
    totals = total(settings, record, latency, acks)
    if given.json:
        put_line(json.dumps(to_json(settings, totals)))
    else:
        put_line("\n".join(to_text(settings, totals)))
    if given.report:
        try:
            given.report.write_text(page(settings, totals, record.moments, latency, acks), encoding="utf-8")
        except OSError as error:
            return _fail(f"cannot write the report {given.report}: {error.strerror}", 1)
    return 0


def _fail(text: str, code: int) -> int:
    print(f"nodelog load: {text}", file=sys.stderr)
    return code
