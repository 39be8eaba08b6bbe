"""What the demo proves: that each line which was sent is where it belongs, once."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

RIGHT: Final = (
    "every line sent is acknowledged and in the log, and every line of a file is in the archive, once"
)
WRONG: Final = "FAILED: what was sent is not what was acknowledged, written and archived"


def compare(sent: Iterable[bytes], written: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return which of the lines sent are missing in the file, and which are in it too often.

    A line that nobody here sent is somebody else's, who was asked to join.
    """
    wanted, found = Counter(sent), Counter(written)
    doubled = Counter({line: found[line] - times for line, times in wanted.items()})
    return list((wanted - found).elements()), list(doubled.elements())


def report(sent: list[bytes], acked: int, log: Path) -> bool:
    """Say what was sent, acknowledged and written, and whether that is as it should be."""
    with log.open("rb") as file:
        written = list(file)
    tell("")
    tell(f"sent      {len(sent)} lines, {sum(map(len, sent))} bytes, by the clients of logd")
    tell(f"acked     {acked} lines, by logd")
    tell(f"written   {len(written)} lines, {sum(map(len, written))} bytes, in {os.path.relpath(log)}")
    return is_whole(sent, written) and bool(sent) and acked == len(sent)


def report_files(printed: dict[str, list[bytes]], archived: dict[str, bytes]) -> bool:
    """Say what is in the archive, and whether it is what the clients with files have written."""
    tell("archived  by logcd:")
    for name, content in sorted(archived.items()):
        lines = len(content.splitlines())
        tell(f"          {lines} lines, {len(content)} bytes, {name}")
    found = {Path(name).stem: content.splitlines(keepends=True) for name, content in archived.items()}
    wrong = [name for name, lines in printed.items() if not is_whole(lines, found.get(name, []))]
    return not wrong


def is_whole(sent: list[bytes], written: list[bytes]) -> bool:
    """Tell whether each line is there, once; say which is not."""
    missing, doubled = compare(sent, written)
    for fault, lines in (("missing", missing), ("doubled", doubled)):
        for line in lines:
            tell(f"{fault}   {line.decode(errors='replace').rstrip()}")
    return not missing and not doubled


def tell(text: str) -> None:
    """Print at once, in order with the lines."""
    print(text, flush=True)
