import gzip
from pathlib import Path

import pytest

from nodeagent.tail import sealed_files
from nodeagent.tail.sealed_files import last_sealed, next_sealed, read_end
from nodelogd.collector.store.file_names import FileNames


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "node_log"
    names = FileNames.resolve(path)
    write(names.sealed_path(3, 0), b"three")
    write(names.sealed_path(12, 0), b"twelve")
    write(names.sealed_path(12, 0).with_suffix(".log.gz"), b"twelve")
    write(names.sealed_path(14, 0).with_suffix(".log.gz"), b"fourteen")
    write(names.torn_path(13), b"half")
    write(tmp_path / "node_log.1", b"another's")
    return path


async def test_files_come_in_order_each_once_and_plain_if_the_plain_file_exists(log: Path) -> None:
    found, number = [], 0
    while one := await next_sealed(log, number):
        found.append((one.number, one.is_plain))
        number = one.number
    assert found == [(3, True), (12, True), (14, False)]
    assert await last_sealed(log) == 14


async def test_without_sealed_files_there_is_none(tmp_path: Path) -> None:
    for log in (tmp_path / "node_log", tmp_path / "missing" / "node_log"):
        assert await next_sealed(log, 0) is None
        assert await last_sealed(log) == 0


@pytest.mark.parametrize("name", ["a.log", "a.log.gz"])
@pytest.mark.parametrize(("room", "end"), [(0, b""), (4, b"6789"), (10, b"0123456789"), (99, b"0123456789")])
async def test_the_end_and_the_size_of_a_file_are_returned(
    name: str, room: int, end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_files, "CHUNK_SIZE", 3)
    assert await read_end(write(tmp_path / name, b"0123456789"), room) == (10, end)
