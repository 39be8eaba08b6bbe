from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from nodelogd.compressor.upkeep.archive_names import MAX_TEMPLATE_BYTES, ArchiveNames, check_template
from nodelogd.service.files.atomic_publish import publish_atomically

EVENING = datetime(2026, 11, 22, 23, 30, tzinfo=UTC).timestamp()


@pytest.fixture
def names(tmp_path: Path) -> ArchiveNames:
    return ArchiveNames(tmp_path, "all-logs-{date}.tar.gz")


def put(names: ArchiveNames, *files: str) -> None:
    for name in files:
        (names.out / name).write_bytes(b"")


def test_an_archive_is_named_after_the_day_of_its_zone(names: ArchiveNames) -> None:
    assert names.archive_path(EVENING, UTC).name == "all-logs-2026-11-22.tar.gz"
    assert names.archive_path(EVENING, ZoneInfo("Europe/Berlin")).name == "all-logs-2026-11-23.tar.gz"


def test_a_name_without_a_date_is_the_same_every_day(tmp_path: Path) -> None:
    names = ArchiveNames(tmp_path, "logs.tgz")
    assert names.archive_path(0, UTC) == names.archive_path(EVENING, UTC) == tmp_path / "logs.tgz"
    put(names, "logs.tgz")
    assert names.list_archives() == [tmp_path / "logs.tgz"]


def test_archives_are_listed_the_oldest_day_first(names: ArchiveNames) -> None:
    put(names, "all-logs-2026-11-22.tar.gz", "all-logs-2025-12-31.tar.gz", "all-logs-2026-11-22.tar.gz.index")
    put(names, "all-logs-2026-11-22xtar.gz", "all-logs-today.tar.gz", "all-logs-2026-11-22.tar.gz.bak")
    found = [path.name for path in names.list_archives()]
    assert found == ["all-logs-2025-12-31.tar.gz", "all-logs-2026-11-22.tar.gz"]


def test_leftovers_of_a_killed_process_are_listed_and_nothing_else(names: ArchiveNames) -> None:
    archive = names.archive_path(EVENING, UTC)
    left = []
    for path in (archive, names.out / f"{archive.name}.index"):
        with publish_atomically(path) as file:
            left.append(Path(os.readlink(f"/proc/self/fd/{file.fileno()}")).name)
            (half,) = names.list_leftovers()
            assert half.name == left[-1]
            assert names.is_own(half.name)
    assert names.list_leftovers() == []
    put(names, "all-logs-2026-11-21.tar.gz.index", ".other.tmp-1-ab", "all-logs-2026.index")
    assert [path.name for path in names.list_leftovers()] == ["all-logs-2026-11-21.tar.gz.index"]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("all-logs-2026-11-22.tar.gz", True),
        ("all-logs-2026-11-22.tar.gz.index", True),
        (".all-logs-2026-11-22.tar.gz.tmp-1-ab", True),
        (".all-logs-2026-11-22.tar.gz.index.tmp-1-ab", True),
        (".all-logs-{date}.tar.gz.lock", True),
        (".all-logs-{date}.tar.gz.scrubbed", True),
        ("all-logs-2026-11-22.tar.gz.log", False),
        ("all-logs-2026-11-22.tar.gz\n", False),
        ("app.log", False),
    ],
)
def test_own_files_are_recognized_by_their_names(names: ArchiveNames, name: str, *, own: bool) -> None:
    assert names.is_own(name) is own


@pytest.mark.parametrize(
    "text", ["{date}", "a.tar.gz", "x{date}y", "a" * MAX_TEMPLATE_BYTES, "*[{date}].log"]
)
def test_a_valid_template_is_accepted(text: str, tmp_path: Path) -> None:
    names = ArchiveNames(tmp_path, check_template(text))
    assert names.is_own(names.archive_path(EVENING, UTC).name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not the name of a file"),
        ("a/b", "not the name of a file"),
        ("a\0b", "not the name of a file"),
        (".", "not the name of a file"),
        ("..", "not the name of a file"),
        ("{day}.tgz", "it may contain {date} once and no other braces"),
        ("{date}{date}", "it may contain {date} once and no other braces"),
        ("ä" * MAX_TEMPLATE_BYTES, "too long"),
    ],
)
def test_an_invalid_template_is_rejected(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_template(text)
