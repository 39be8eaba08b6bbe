"""Archives in a folder of their own: the links and copies that others find."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.archive_contents import archive_contents

from nodelogd.compressor.compressor import Compressor, CycleResult
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.settings import Settings
from nodelogd.service.files.disk_budget import Budget

if TYPE_CHECKING:
    from pathlib import Path

NAME = "all-logs.tar.gz"


class Folders:
    """A folder of logs, one for archives, one for copies."""

    def __init__(self, path: Path) -> None:
        self.logs, self.out, self.copies = (path / name for name in ("log", "archive", "copies"))
        for folder in (self.logs, self.out, self.copies):
            folder.mkdir()
        (self.logs / "a.log").write_bytes(b"one\n")
        self.link, self.archive, self.copy = self.logs / NAME, self.out / NAME, self.copies / NAME

    def compressor(self, name: str = NAME, *, keep: int = 7, copies: Path | None = None) -> Compressor:
        """Return a compressor of these folders."""
        budget = Budget(max_bytes=None, max_files=keep, min_free_share=None, always_kept=1)
        settings = Settings(directory=self.logs, out=self.out, name=name, retention=budget, copy_to=copies)
        return Compressor(settings, Metrics())

    def cycle(self, compressor: Compressor | None = None) -> None:
        """Run a cycle that succeeds."""
        done = (compressor or self.compressor()).run_cycle(lambda: False, lambda _: False)
        assert done.result in {CycleResult.PUBLISHED, CycleResult.UNCHANGED}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_a_link_beside_the_logs_leads_to_the_archive(folders: Folders) -> None:
    folders.cycle()
    assert folders.link.readlink() == folders.archive
    assert archive_contents(folders.link, folders.logs) == {"a.log": b"one\n"}
    assert sorted(path.name for path in folders.logs.iterdir()) == ["a.log", NAME]


@pytest.mark.parametrize("kind", ["link", "directory", "fifo", "lost"])
def test_what_is_in_the_place_of_the_link_is_replaced_and_never_read(kind: str, folders: Folders) -> None:
    compressor = folders.compressor()
    folders.cycle(compressor)
    folders.link.unlink()
    match kind:
        case "link":
            folders.link.symlink_to("/etc/passwd")
        case "directory":
            (folders.link / "x").mkdir(parents=True)
        case "fifo":
            os.mkfifo(folders.link)
    folders.cycle(compressor)
    assert folders.link.readlink() == folders.archive


def test_archives_of_an_earlier_version_stay_and_are_named_once(
    folders: Folders, caplog: pytest.LogCaptureFixture
) -> None:
    template = "all-logs-{date}.tar.gz"
    earlier = [folders.logs / f"all-logs-2026-01-0{day}.tar.gz" for day in (1, 2)]
    for path in earlier:
        path.write_bytes(b"of an earlier version")
    compressor = folders.compressor(template, keep=1)
    today = folders.logs / compressor.current_archive().name
    today.write_bytes(b"of an earlier version")
    for _ in range(2):
        folders.cycle(compressor)
    assert [path.read_bytes() for path in earlier] == [b"of an earlier version"] * 2
    assert today.readlink() == compressor.current_archive()
    (kept,) = folders.logs.glob(f"{today.name}.earlier-*")
    assert kept.read_bytes() == b"of an earlier version"
    (message,) = caplog.messages
    assert message.startswith("3 archives from ")
    assert "earlier version: they stay" in message


def test_a_link_goes_with_its_archive(folders: Folders) -> None:
    old = folders.out / "all-logs-2026-01-01.tar.gz"
    old.write_bytes(b"old")
    link = folders.logs / old.name
    link.symlink_to(old)
    folders.cycle(folders.compressor("all-logs-{date}.tar.gz", keep=1))
    assert not old.exists()
    assert not link.is_symlink()


def test_a_link_that_cannot_be_made_costs_no_cycle_and_is_logged_once(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(path: Path, _: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(folders.link), "symlink_to", fail)
    compressor = folders.compressor()
    for _ in range(2):
        folders.cycle(compressor)
    (message,) = caplog.messages
    assert message == (
        f"cannot make the link in {folders.logs}: Permission denied: {folders.logs}/.{NAME}; "
        f"{folders.archive} is up to date"
    )


def test_a_copy_follows_the_archive_and_is_never_read(folders: Folders) -> None:
    compressor = folders.compressor(copies=folders.copies)
    folders.cycle(compressor)
    assert folders.copy.read_bytes() == folders.archive.read_bytes()
    before = folders.copy.stat()
    folders.cycle(compressor)
    assert folders.copy.stat() == before
    folders.copy.unlink()
    folders.copy.symlink_to("/etc/passwd")
    with (folders.logs / "a.log").open("ab") as file:
        file.write(b"two\n")
    folders.cycle(compressor)
    assert not folders.copy.is_symlink()
    assert archive_contents(folders.copy, folders.logs) == {"a.log": b"one\ntwo\n"}
    assert folders.copy.stat().st_mode & 0o777 == 0o600


def test_a_copy_beside_the_logs_takes_the_place_of_the_link_and_is_not_archived(folders: Folders) -> None:
    compressor = folders.compressor(copies=folders.logs)
    folders.cycle(compressor)
    assert not folders.link.is_symlink()
    assert archive_contents(folders.link, folders.logs) == {"a.log": b"one\n"}
