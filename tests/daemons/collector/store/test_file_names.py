from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelogd.collector.store.file_names import FileNames, SealedFile
from nodelogd.service.files.atomic_publish import publish_atomically

MOMENT = 1_795_352_400.0  # 2026-11-22 13:00 UTC


@pytest.fixture
def names(tmp_path: Path) -> FileNames:
    return FileNames(tmp_path / "node_log")


def test_all_files_are_beside_the_log(names: FileNames, tmp_path: Path) -> None:
    assert names.directory == tmp_path
    assert names.journal == tmp_path / ".node_log.journal"
    assert names.lock == tmp_path / ".node_log.lock"
    assert names.sealed_path(42, MOMENT) == tmp_path / "node_log-20261122T130000Z-00000042.log"
    assert names.torn_path(43) == tmp_path / "node_log.torn-00000043"


def test_all_files_are_beside_the_target_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to("store/lines")
    assert FileNames.resolve(tmp_path / "link").log == (tmp_path / "store" / "lines").resolve()


def test_a_log_that_is_being_sealed_is_still_resolved(tmp_path: Path) -> None:
    log, away = tmp_path / "node_log", tmp_path / "sealed"
    log.touch()
    done = Event()

    def rename_back_and_forth() -> None:
        while not done.is_set():
            log.rename(away)
            away.rename(log)

    with ThreadPoolExecutor() as pool:
        renaming = pool.submit(rename_back_and_forth)
        try:
            assert {FileNames.resolve(log).log for _ in range(5000)} == {log.resolve()}
        finally:
            done.set()
        renaming.result()


def test_a_loop_of_links_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links") as caught:
        FileNames.resolve(tmp_path / "a")
    assert caught.value.errno == errno.ELOOP


def test_a_directory_is_refused_as_a_log(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        FileNames.resolve(tmp_path)


def test_a_pipe_is_refused_as_a_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        FileNames.resolve(tmp_path / "pipe")


@given(st.integers(1, 10**12), st.floats(-1e9, 4e9), st.sampled_from(["", ".gz"]))
def test_a_sealed_name_is_found_again(number: int, now: float, ending: str) -> None:
    with TemporaryDirectory() as folder:
        names = FileNames(Path(folder) / "node_log")
        path = names.sealed_path(number, now)
        path = path.with_name(path.name + ending)
        path.touch()
        assert names.sealed_files() == [SealedFile(number, path)]
        assert names.last_number() == number


def test_files_are_ordered_by_number_whatever_the_clock_showed(names: FileNames) -> None:
    paths = [
        names.sealed_path(9, MOMENT),
        names.sealed_path(10, MOMENT - 1e6),
        names.torn_path(11),
        names.sealed_path(99_999_999, MOMENT - 2e6),
        names.sealed_path(100_000_000, MOMENT - 3e6),
    ]
    for path in reversed(paths):
        path.touch()
    assert [sealed.path for sealed in names.sealed_files()] == paths
    assert names.last_number() == 100_000_000


def test_in_an_empty_directory_the_last_number_is_0(names: FileNames) -> None:
    assert names.sealed_files() == []
    assert names.last_number() == 0


@pytest.mark.parametrize(
    ("name", "is_plain"),
    [
        ("node_log-20261122T130000Z-00000042.log", True),
        ("node_log-20261122T130000Z-00000042.log.gz", False),
        ("node_log.torn-00000042", False),
    ],
)
def test_only_a_plain_sealed_file_waits_to_be_compressed(
    names: FileNames, name: str, *, is_plain: bool
) -> None:
    (names.directory / name).touch()
    (sealed,) = names.sealed_files()
    assert sealed.is_plain is is_plain


@pytest.mark.parametrize(
    "name",
    [
        "node_log",
        "node_log.1",
        "node_log.torn",
        "node_log-20261122T130000Z-42.log",
        "node_log-20261122T130000Z-00000042.log.gz.old",
        "node_log-20261122-00000042.log",
        "old-node_log-20261122T130000Z-00000042.log",
        "node_log2-20261122T130000Z-00000042.log",
        "nodeXlog-20261122T130000Z-00000042.log",
        ".node_log.journal",
        ".node_log-20261122T130000Z-00000042.log.gz.tmp-1-0a",
    ],
)
def test_foreign_files_are_not_listed(names: FileNames, name: str) -> None:
    (names.directory / name).touch()
    assert names.sealed_files() == []


def test_the_temporary_files_of_a_killed_process_are_found(names: FileNames) -> None:
    sealed = names.sealed_path(1, MOMENT)
    targets = [names.journal, sealed.with_name(f"{sealed.name}.gz"), names.torn_path(2), names.log]
    with ExitStack() as stack:
        for target in targets:
            stack.enter_context(publish_atomically(target))
        assert len(names.leftovers()) == 4
        assert set(names.leftovers()) == set(names.directory.iterdir())
    assert names.leftovers() == []


@pytest.mark.parametrize("name", ["node_log2", "node_log-b", "node_log.b", "other"])
def test_the_temporary_files_of_another_log_are_not_listed(names: FileNames, name: str) -> None:
    other = FileNames(names.log.with_name(name))
    sealed = other.sealed_path(1, MOMENT)
    with (
        publish_atomically(other.journal),
        publish_atomically(sealed.with_name(f"{sealed.name}.gz")),
        publish_atomically(other.torn_path(1)),
    ):
        assert names.leftovers() == []


def test_special_characters_in_the_name_of_a_log_match_literally(tmp_path: Path) -> None:
    names = FileNames(tmp_path / "a+b.(log)")
    names.sealed_path(7, MOMENT).touch()
    assert names.last_number() == 7
