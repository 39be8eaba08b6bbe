import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.commands.stdio.stdin import StdinReader
from nodelog.commands.stop_signals import StopSignals
from nodelog.shipping.line_splitting import MAX_LINE_BYTES, split_into_batches
from nodelog.spool.blocks import BLOCK_BYTES


@pytest.fixture
def stop() -> Iterator[tuple[StopSignals, socket.socket]]:
    wakeup, sender = socket.socketpair()
    with wakeup, sender:
        yield StopSignals(wakeup), sender


def read(data: bytes, stop: StopSignals, folder: Path) -> list[bytes]:
    path = folder / "input"
    path.write_bytes(data)
    with path.open("rb") as file:
        return list(StdinReader(file.fileno(), stop).batches())


@given(st.lists(st.integers(0, 3 * BLOCK_BYTES), max_size=6))
def test_batches_are_whole_lines_that_fit_into_a_block(sizes: list[int]) -> None:
    data = b"".join(b"x" * size + b"\n" for size in sizes)
    cuts = list(split_into_batches(data))
    assert b"".join(cuts) == data
    assert all(run.endswith(b"\n") for run in cuts)
    assert all(len(run) <= BLOCK_BYTES or run.count(b"\n") == 1 for run in cuts)


def test_an_overlong_line_is_cut_where_the_collector_would_cut_it(
    stop: tuple[StopSignals, socket.socket], tmp_path: Path
) -> None:
    data = (
        b"a\n"
        + b"x" * (2 * MAX_LINE_BYTES + 5)
        + b"\nb\n"
        + b"y" * MAX_LINE_BYTES
        + b"\n"
        + b"z" * (MAX_LINE_BYTES + 1)
    )
    parts = [
        b"a",
        b"x" * MAX_LINE_BYTES,
        b"x" * MAX_LINE_BYTES,
        b"x" * 5,
        b"b",
        b"y" * MAX_LINE_BYTES,
        b"z" * MAX_LINE_BYTES,
        b"z",
    ]
    assert b"".join(read(data, stop[0], tmp_path)) == b"".join(part + b"\n" for part in parts)
    assert b"".join(split_into_batches(data[: -MAX_LINE_BYTES - 1])) == b"".join(
        part + b"\n" for part in parts[:-2]
    )


def test_bytes_are_unchanged_and_the_last_line_gets_a_line_feed(
    stop: tuple[StopSignals, socket.socket], tmp_path: Path
) -> None:
    data = b"\xff\xfe\0\r\n\n\n{}\n" * 40_000 + b"no end \x80"
    found = read(data, stop[0], tmp_path)
    assert b"".join(found) == data + b"\n"
    assert len(found) < len(data) / BLOCK_BYTES * 3


def test_an_empty_input_has_no_batches(stop: tuple[StopSignals, socket.socket], tmp_path: Path) -> None:
    assert read(b"", stop[0], tmp_path) == []


def test_lines_are_returned_as_soon_as_they_arrive(stop: tuple[StopSignals, socket.socket]) -> None:
    reader, writer = os.pipe()
    source = StdinReader(reader, stop[0]).batches()
    for line in (b"one\n", b"two\nthree\n"):
        os.write(writer, line)
        assert next(source) == line
    os.close(writer)
    assert list(source) == []
    os.close(reader)


def test_a_signal_ends_the_input_after_what_is_in_the_pipe(stop: tuple[StopSignals, socket.socket]) -> None:
    reader, writer = os.pipe()
    source = StdinReader(reader, stop[0]).batches()
    os.write(writer, b"one\n")
    assert next(source) == b"one\n"
    os.write(writer, b"two\nthr")
    stop[1].send(b"\0")
    assert list(source) == [b"two\n", b"thr\n"]
    os.close(writer)
    os.close(reader)


def test_a_signal_ends_a_file_at_once(stop: tuple[StopSignals, socket.socket], tmp_path: Path) -> None:
    stop[1].send(b"\0")
    assert read(b"one\n" * 100, stop[0], tmp_path) == []


def test_a_nonblocking_pipe_is_waited_for(stop: tuple[StopSignals, socket.socket]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.write(writer, b"one\n")
    source = StdinReader(reader, stop[0]).batches()
    assert next(source) == b"one\n"
    os.close(writer)
    assert list(source) == []
    os.close(reader)
