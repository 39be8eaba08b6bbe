import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodeagent.checks.newest_archive import newest_archive

OTHER_USER = 1000


def newest(folder: Path) -> Path | None:
    found = newest_archive(folder / "all-logs-*.tar.gz")
    return found and found[0]


def belongs_to_another_user(path: Path) -> None:
    path.write_bytes(b"x")
    os.chown(path, OTHER_USER, OTHER_USER)


def links_to_another_users(path: Path) -> None:
    target = path.with_name("theirs")
    belongs_to_another_user(target)
    path.symlink_to(target)


def is_a_link_of_another_user(path: Path) -> None:
    path.symlink_to("/etc/hostname")
    os.lchown(path, OTHER_USER, OTHER_USER)


def others_may_write(path: Path) -> None:
    path.write_bytes(b"x")
    path.chmod(0o666)


def has_two_names(path: Path) -> None:
    path.write_bytes(b"x")
    path.with_name("another").hardlink_to(path)


def test_the_newest_archive_is_the_one_written_last(archive: Path) -> None:
    older = archive.with_name("all-logs-2020-11-23.tar.gz")
    older.touch()
    os.utime(older, (time.time() - 10,) * 2)
    archive.with_name("all-logs-2020-11-24.tar.gz.index").touch()
    assert newest(archive.parent) == archive


def test_without_a_star_the_path_is_the_archive(archive: Path) -> None:
    found = newest_archive(archive)
    assert found is not None
    assert found[0] == archive


def test_an_archive_may_have_a_link_at_its_name(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    link = tmp_path / "log" / archive.name
    link.symlink_to(archive)
    found = newest_archive(link.with_name("all-logs-*.tar.gz"))
    assert found == (link, archive.stat())


def test_a_second_archive_of_a_day_counts(archive: Path) -> None:
    second = archive.with_name("all-logs-2020-11-22.2.tar.gz")
    second.touch()
    os.utime(archive, (time.time() - 10,) * 2)
    assert newest(archive.parent) == second


@pytest.mark.parametrize(
    "plant",
    [
        belongs_to_another_user,
        links_to_another_users,
        is_a_link_of_another_user,
        others_may_write,
        has_two_names,
        Path.mkdir,
        os.mkfifo,
        lambda path: path.symlink_to("nowhere"),
    ],
)
def test_what_is_not_logcds_does_not_hide_the_archive(archive: Path, plant: Callable[[Path], None]) -> None:
    os.utime(archive, (time.time() - 1000,) * 2)
    planted = archive.with_name("all-logs-2020-11-29.tar.gz")
    plant(planted)
    assert newest(archive.parent) == archive


@pytest.mark.parametrize("date", ["", "x", "9999-12-31", "2026-13-01", "2099-01-01", "2020-11-01.tar.gz-"])
def test_what_has_no_date_or_a_future_one_is_left_out(archive: Path, date: str) -> None:
    os.utime(archive, (time.time() - 1000,) * 2)
    archive.with_name(f"all-logs-{date}.tar.gz").touch()
    assert newest(archive.parent) == archive


def test_one_that_a_wrong_clock_has_written_in_the_future_counts_last(archive: Path) -> None:
    os.utime(archive, (4070908800,) * 2)
    assert newest(archive.parent) == archive
    older = archive.with_name("all-logs-2020-11-21.tar.gz")
    older.touch()
    assert newest(archive.parent) == older
