import gzip
from pathlib import Path

import pytest

from nodeagent.tail import sealed_files
from nodeagent.tail.sealed_files import end_of, last_sealed, next_sealed
from nodelogd.collector.store.file_names import FileNames


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "node_log"
    names = FileNames.resolve(path)
    written(names.sealed_path(3, 0), b"three")
    written(names.sealed_path(12, 0), b"twelve")
    written(names.sealed_path(12, 0).with_suffix(".log.gz"), b"twelve")
    written(names.sealed_path(14, 0).with_suffix(".log.gz"), b"fourteen")
    written(names.torn_path(13), b"half")
    written(tmp_path / "node_log.1", b"another's")
    return path


async def test_files_come_in_their_order_each_once_and_plain_if_there_is_a_plain_one(log: Path) -> None:
    found, number = [], 0
    while one := await next_sealed(log, number):
        found.append((one.number, one.is_plain))
        number = one.number
    assert found == [(3, True), (12, True), (14, False)]
    assert await last_sealed(log) == 14


async def test_where_nothing_was_sealed_there_is_none(tmp_path: Path) -> None:
    for log in (tmp_path / "node_log", tmp_path / "missing" / "node_log"):
        assert await next_sealed(log, 0) is None
        assert await last_sealed(log) == 0


@pytest.mark.parametrize("name", ["a.log", "a.log.gz"])
@pytest.mark.parametrize(("room", "end"), [(0, b""), (4, b"6789"), (10, b"0123456789"), (99, b"0123456789")])
async def test_of_a_file_the_end_is_given_and_how_large_it_is(
    name: str, room: int, end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_files, "PIECE", 3)
    assert await end_of(written(tmp_path / name, b"0123456789"), room) == (10, end)
