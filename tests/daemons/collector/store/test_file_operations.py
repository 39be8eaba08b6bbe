from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nodelogd.collector.store.file_operations import (
    boot_id,
    copy_tail,
    end_of_last_line,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "end"),
    [(b"", 0), (b"no end", 0), (b"one\n", 4), (b"one\ntwo", 4), (b"\n" + b"x" * 200_000, 1)],
    ids=["empty", "no line", "whole", "torn", "long"],
)
def test_the_end_of_the_last_line_is_found_at_any_distance(tmp_path: Path, content: bytes, end: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert end_of_last_line(file.fileno(), len(content)) == end


def test_a_tail_is_copied_completely(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = os.urandom(3_000_000)
    path.write_bytes(content)
    with path.open("rb") as file:
        copy_tail(file.fileno(), 1_000_000, tmp_path / "tail")
    assert (tmp_path / "tail").read_bytes() == content[1_000_000:]


def test_this_kernel_has_a_boot_id() -> None:
    assert boot_id() == boot_id() != bytes(16)
