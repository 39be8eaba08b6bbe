"""The command `nodelog load`: sends a load and prints its figures."""

from __future__ import annotations

import json
import secrets
import sys
from typing import TYPE_CHECKING

from nodelog.commands.stdio.stdout import write_line
from nodelog.load.generator.coordinator import LoadError, run_load
from nodelog.load.generator.latency_histogram import LatencyHistogram
from nodelog.load.generator.settings import Settings
from nodelog.load.live_progress import show_sending
from nodelog.load.report.html_page import render_page
from nodelog.load.report.totals import add_up, to_json, to_text

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    try:
        settings = Settings(
            host=args.host,
            port=args.port,
            run=args.run or secrets.token_hex(3),
            connections=args.connections,
            line_size=args.line_size,
            write_size=args.write_size,
            per_connection=args.per_connection,
            rate=args.rate,
            duration=args.duration,
            total=args.bytes,
            processes=args.processes,
            protocol=args.protocol,
            frames=args.frames,
            window=args.window,
            through_restarts=args.through_restarts,
        )
    except ValueError as error:
        return _fail(str(error), 2)
    try:
        with show_sending(settings) as update:
            result = run_load(settings, update)
    except LoadError as error:
        return _fail(f"cannot send to {args.host} port {args.port}: {error}", 1)
    latency, ack_latency = LatencyHistogram(), LatencyHistogram()
    totals = add_up(settings, result, latency, ack_latency)
    if args.json:
        write_line(json.dumps(to_json(settings, totals)))
    else:
        write_line("\n".join(to_text(settings, totals)))
    if args.report:
        try:
            page = render_page(settings, totals, result.samples, latency, ack_latency)
            args.report.write_text(page, encoding="utf-8")
        except OSError as error:
            return _fail(f"cannot write the report {args.report}: {error.strerror}", 1)
    return 0


def _fail(text: str, code: int) -> int:
    print(f"nodelog load: {text}", file=sys.stderr)
    return code
