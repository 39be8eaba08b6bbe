import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nodelog.spool.blocks import SpoolError
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.inspection import inspect_spool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def files(path: Path) -> dict[str, bytes]:
    """Return the content of all files, without the shared memory."""
    return {
        other.name: other.read_bytes() for other in sorted(path.parent.iterdir()) if "shm" not in other.name
    }


@pytest.fixture(params=["closed", "in use", "killed"])
def spool(path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Create a spool with two lines, in each state."""
    if request.param == "killed":
        child = os.fork()
        if not child:
            FileSpool(path).append([b"one", b"two"])
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        yield path
        return
    spool = FileSpool(path)
    spool.append([b"one", b"two"])
    if request.param == "closed":
        spool.close()
    yield path
    spool.close()


def test_it_reads_the_content_and_changes_nothing(spool: Path) -> None:
    before = files(spool)
    contents = inspect_spool(spool)
    assert (contents.oldest, contents.newest) == (b"one", b"two")
    assert [(stream.lines, stream.size) for stream in contents.streams] == [(2, 8)]
    assert files(spool) == before


def test_the_owner_continues_during_inspections(path: Path) -> None:
    with closing(FileSpool(path)) as spool:
        ended = threading.Event()

        def inspect() -> None:
            while not ended.is_set():
                inspect_spool(path)

        thread = threading.Thread(target=inspect)
        thread.start()
        for number in range(200):
            spool.append([b"x" * 1000])
            if number % 10 == 0:
                spool.forget(spool.stream, spool.lowest(spool.stream))
                spool.commit_removals()
        ended.set()
        thread.join()
        assert sum(stream.lines for stream in inspect_spool(path).streams) == spool.lines


def test_inspections_never_keep_an_owner_out(path: Path) -> None:
    FileSpool(path).close()
    ended = threading.Event()

    def inspect() -> None:
        while not ended.is_set():
            inspect_spool(path)

    thread = threading.Thread(target=inspect)
    thread.start()
    try:
        for _ in range(50):
            FileSpool(path).close()
    finally:
        ended.set()
        thread.join()


def test_dropped_lines_are_counted(path: Path) -> None:
    with closing(FileSpool(path)) as spool:
        for _ in range(4):
            spool.append([b"x" * 40_000])
            spool.seal(spool.blocks(spool.stream)[-1])
        spool.drop_oldest(spool.stream, 0)
        spool.drop_oldest(spool.stream, 0)
        assert [stream.dropped for stream in inspect_spool(path).streams] == [2]


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"", "is empty: it was never used as a spool"), (b"some text\n" * 100, "is not a spool")],
)
def test_a_file_that_is_not_a_spool_is_an_error(path: Path, data: bytes, error: str) -> None:
    path.write_bytes(data)
    with pytest.raises(SpoolError, match=error):
        inspect_spool(path)
    assert path.read_bytes() == data


def test_a_database_of_another_program_is_an_error(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE things (name)")
    with pytest.raises(SpoolError, match="is a SQLite file but not a spool"):
        inspect_spool(path)


def test_another_format_is_an_error_that_names_it(path: Path) -> None:
    FileSpool(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 7")
    with pytest.raises(SpoolError, match="has format 7, this nodelog knows 1"):
        inspect_spool(path)


def test_damage_is_an_error_of_one_line_and_nothing_is_renamed(path: Path) -> None:
    with closing(FileSpool(path)) as spool:
        for _ in range(20):
            spool.append([b"x" * 1000] * 60)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(SpoolError, match="is damaged") as caught:
        inspect_spool(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == data


def test_a_directory_is_an_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(SpoolError, match="Is a directory"):
        inspect_spool(path)
