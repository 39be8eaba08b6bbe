"""What the demo proves: each line sent is where it belongs, exactly once."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

SUCCESS: Final = (
    "every line sent is acknowledged and in the log, and every line of a file is in the archive, once"
)
FAILURE: Final = "FAILED: what was sent is not what was acknowledged, written and archived"


def compare(sent: Iterable[bytes], written: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return which of the lines sent are missing in the file, and which are in it too often.

    Lines that the demo's own clients did not send are ignored: anyone may join in with `nc`.
    """
    wanted, found = Counter(sent), Counter(written)
    doubled = Counter({line: found[line] - times for line, times in wanted.items()})
    return list((wanted - found).elements()), list(doubled.elements())


def report(sent: list[bytes], acknowledged: int, log: Path) -> bool:
    """Print what was sent, acknowledged and written; return whether they agree."""
    with log.open("rb") as file:
        written = list(file)
    print_now("")
    print_now(f"sent      {len(sent)} lines, {sum(map(len, sent))} bytes, by the clients of logd")
    print_now(f"acked     {acknowledged} lines, by logd")
    print_now(f"written   {len(written)} lines, {sum(map(len, written))} bytes, in {os.path.relpath(log)}")
    return is_complete(sent, written) and bool(sent) and acknowledged == len(sent)


def report_files(printed: dict[str, list[bytes]], archived: dict[str, bytes]) -> bool:
    """Print what is in the archive; return whether it is what the clients wrote to their files."""
    print_now("archived  by logcd:")
    for name, content in sorted(archived.items()):
        lines = len(content.splitlines())
        print_now(f"          {lines} lines, {len(content)} bytes, {name}")
    found = {Path(name).stem: content.splitlines(keepends=True) for name, content in archived.items()}
    wrong = [name for name, lines in printed.items() if not is_complete(lines, found.get(name, []))]
    return not wrong


def is_complete(sent: list[bytes], written: list[bytes]) -> bool:
    """Return whether each line is there exactly once; print those that are not."""
    missing, doubled = compare(sent, written)
    for fault, lines in (("missing", missing), ("doubled", doubled)):
        for line in lines:
            print_now(f"{fault}   {line.decode(errors='replace').rstrip()}")
    return not missing and not doubled


def print_now(text: str) -> None:
    """Print without buffering, in order with the lines of the log."""
    print(text, flush=True)
