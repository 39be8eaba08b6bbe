from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from nodelogd.compressor.format.signatures import file_row
from nodelogd.compressor.scan import discovery
from nodelogd.compressor.scan.discovery import ScanSettings, find_log_files, open_log_file


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Create a directory for logs."""
    path = tmp_path / "log"
    path.mkdir()
    return path


def write(path: Path, text: str = "line\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def scan_settings(
    directory: Path, *include: str, follow_links: bool = False, exclude: tuple[str, ...] = ()
) -> ScanSettings:
    return ScanSettings(
        directory=os.fsencode(directory),
        include=include or ("*.log",),
        exclude=exclude,
        follow_links=follow_links,
    )


def fail_on_error(path: bytes, error: OSError) -> None:
    pytest.fail(f"{path!r}: {error}")


def names(settings: ScanSettings) -> list[str]:
    """Return the names that are found, relative to the directory."""
    start = os.fsdecode(os.path.join(settings.directory, b"")).lstrip("/")
    files = find_log_files(settings, fail_on_error)
    assert all(file.path == os.fsencode("/" + file.name) for file in files)
    return [file.name.removeprefix(start) for file in files]


def test_files_are_found_by_their_absolute_names_in_order(logs: Path) -> None:
    for name in ("b.log", "a.log", "-rf.log", "c.txt", ".d.log"):
        write(logs / name)
    write(logs / "folder" / "e.log")
    (logs / "dir.log").mkdir()
    settings = scan_settings(logs)
    assert names(settings) == ["-rf.log", "a.log", "b.log"]
    files = find_log_files(settings, fail_on_error)
    assert files.file(0).name == str(logs / "-rf.log").lstrip("/")
    assert files.row(0) == file_row((logs / "-rf.log").lstat())


def test_names_of_any_bytes_are_found(logs: Path) -> None:
    for name in (b"\xff.log", b"new\nline.log", b"x" * 200 + b".log"):
        write(Path(os.fsdecode(os.path.join(os.fsencode(logs), name))))
    assert len(names(scan_settings(logs))) == 3


def test_folders_are_entered_if_a_pattern_names_them(logs: Path) -> None:
    for name in ("a.log", "pods/p/c/0.log", "pods/p/c/0.log.1", "other/b.log"):
        write(logs / name)
    assert names(scan_settings(logs, "*.log", "pods/**/*.log")) == ["a.log", "pods/p/c/0.log"]
    assert names(scan_settings(logs, "**")) == ["a.log", "other/b.log", "pods/p/c/0.log", "pods/p/c/0.log.1"]


def test_excluded_files_are_not_found_and_excluded_folders_not_entered(logs: Path) -> None:
    for name in ("a.log", "debug.log", "pods/secret/0.log", "pods/p/0.log", "pods/p/debug.log"):
        write(logs / name)
    settings = scan_settings(logs, "**/*.log", exclude=("**/debug*", "pods/secret"))
    assert names(settings) == ["a.log", "pods/p/0.log"]


def test_own_archives_are_never_found_by_any_path(logs: Path) -> None:
    for name in ("a.log", "own.log", "deep/own.log"):
        write(logs / name)
    (logs.parent / "link").symlink_to(logs)
    settings = replace(
        scan_settings(logs, "**/*.log"),
        own_folders=(os.fsencode(logs.parent / "link"),),
        is_own=lambda name: name == "own.log",
    )
    assert names(settings) == ["a.log", "deep/own.log"]


def test_only_regular_files_are_found(logs: Path) -> None:
    target = write(logs / "a.txt")
    (logs / "link.log").symlink_to(target)
    (logs / "folder.log").symlink_to(logs)
    os.mkfifo(logs / "fifo.log")
    assert names(scan_settings(logs, "**/*.log")) == []


def test_links_are_followed_within_the_directory_only(logs: Path) -> None:
    inside, outside = write(logs / "real" / "a.txt"), write(logs.parent / "outside" / "b.log")
    (logs / "inside.log").symlink_to(inside)
    (logs / "outside.log").symlink_to(outside)
    (logs / "nowhere.log").symlink_to(logs / "missing")
    (logs / "itself.log").symlink_to(logs / "itself.log")
    (logs / "folder").symlink_to(logs / "real")
    (logs / "outer").symlink_to(outside.parent)
    settings = scan_settings(logs, "*.log", "folder/*", "outer/*", follow_links=True)
    assert names(settings) == ["folder/a.txt", "inside.log"]
    files = find_log_files(settings, fail_on_error)
    assert files.row(0) == file_row(inside.stat())
    assert files.links == {1: 0}  # the same file again


def test_circular_links_end(logs: Path) -> None:
    write(logs / "one" / "a.log")
    (logs / "one" / "again").symlink_to(logs)
    assert names(scan_settings(logs, "**/*.log", follow_links=True)) == ["one/a.log"]


def test_a_directory_behind_a_link_keeps_its_name(logs: Path) -> None:
    write(logs / "a.log")
    link = logs.parent / "link"
    link.symlink_to(logs)
    (file,) = find_log_files(scan_settings(link), fail_on_error)
    assert file.path == os.fsencode(link / "a.log")
    os.close(open_log_file(file, scan_settings(link)))


def test_a_missing_directory_is_an_error(logs: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_log_files(scan_settings(logs / "missing"), fail_on_error)


def test_a_folder_that_cannot_be_listed_is_reported_and_others_are_searched(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/x.log", "b/x.log"):
        write(logs / name)
    real, denied = os.scandir, (logs / "a").stat()

    def listing(fd: int) -> object:
        if os.path.samestat(os.fstat(fd), denied):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(fd)

    monkeypatch.setattr(os, "scandir", listing)
    errors: list[tuple[bytes, OSError]] = []
    files = find_log_files(scan_settings(logs, "*/*.log"), lambda path, error: errors.append((path, error)))
    assert [file.path for file in files] == [os.fsencode(logs / "b" / "x.log")]
    ((path, error),) = errors
    assert path == os.fsencode(logs / "a")
    assert isinstance(error, PermissionError)


def test_a_file_is_opened_without_blocking_and_not_inherited(logs: Path) -> None:
    write(logs / "a.log", "hello\n")
    (file,) = find_log_files(scan_settings(logs), fail_on_error)
    fd = open_log_file(file, scan_settings(logs))
    try:
        assert os.read(fd, 100) == b"hello\n"
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def create_link(path: Path) -> None:
    path.symlink_to(write(path.parent / "other.txt"))


@pytest.mark.parametrize(
    ("create", "number"),
    [
        (lambda _: None, errno.ENOENT),
        (create_link, errno.ELOOP),
        (os.mkfifo, errno.EINVAL),
        (Path.mkdir, errno.EINVAL),
    ],
)
def test_anything_else_in_place_of_the_file_is_refused(logs: Path, create: object, number: int) -> None:
    path = write(logs / "a.log")
    (file,) = find_log_files(scan_settings(logs), fail_on_error)
    path.unlink()
    create(path)  # type: ignore[operator]
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError) as caught:  # noqa: PT011 (its number is checked)
        open_log_file(file, scan_settings(logs))
    assert caught.value.errno == number
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("follow_links", [False, True])
def test_a_folder_replaced_by_a_link_to_the_outside_is_refused(logs: Path, follow_links: bool) -> None:
    write(logs / "pod" / "a.log")
    settings = scan_settings(logs, "*/*.log", follow_links=follow_links)
    (file,) = find_log_files(settings, fail_on_error)
    outside = write(logs.parent / "outside" / "a.log").parent
    (logs / "pod").rename(logs / "moved")
    (logs / "pod").symlink_to(outside)
    with pytest.raises(OSError, match=r"outside the directory|symbolic links"):
        open_log_file(file, settings)


@pytest.mark.parametrize("has_openat2", [True, False], ids=["openat2", "no openat2"])
def test_a_log_is_opened_under_its_own_name_only(
    logs: Path, has_openat2: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_openat2:
        monkeypatch.setattr(discovery, "has_openat2", lambda: False)
    write(logs / "pod" / "a.log", "pod\n")
    write(logs / "private" / "a.log", "secret\n")
    settings = scan_settings(logs, "**/*.log", exclude=("private",))
    (file,) = find_log_files(settings, fail_on_error)
    (logs / "pod").rename(logs / "moved")
    (logs / "pod").symlink_to(logs / "private")
    with pytest.raises(OSError, match=r"symbolic links|another name"):
        open_log_file(file, settings)
    assert names(settings) == ["moved/a.log"]


def test_folders_nested_deeper_than_the_call_stack_are_walked(logs: Path) -> None:
    deepest = "/".join("d" * 1200)
    subprocess.run(["mkdir", "-p", deepest], cwd=logs, check=True)  # os.makedirs is recursive
    (logs / deepest / "a.log").touch()
    try:
        assert names(scan_settings(logs, "**/*.log")) == [f"{deepest}/a.log"]
    finally:
        subprocess.run(["rm", "-r", logs / "d"], check=True)
