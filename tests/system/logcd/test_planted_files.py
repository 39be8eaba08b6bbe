"""Names that others put into the folder, as the users they are about, against logcd as in its pod."""

from __future__ import annotations

import base64
import gzip
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.processes.logcd import ARCHIVE_NAME, run_logcd_once
from tests.waiting import PATIENCE

from nodelog.archive.index import FileMetadata, Trailer, encode_index, index_path, padded_size
from nodelog.archive.index_blocks import PieceSize, encode_block
from nodelogd.compressor.format import pieces, tar_headers
from nodelogd.compressor.format.units import make_unit
from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.processes.logcd import StartLogcd

_SETPRIV = ["setpriv", "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
CONFINED = [*_SETPRIV, "--reuid=0", "--regid=0", "--bounding-set=-all,+dac_read_search"]
"""logcd in its pod: of root's capabilities only the one to read."""
USER = [*_SETPRIV, "--reuid=1000", "--regid=1000", "--bounding-set=-all"]
POWERLESS_ROOT = [*_SETPRIV, "--reuid=0", "--regid=0", "--bounding-set=-all"]
"""A pod that writes logs as root, without any capability."""
A, LOCK, STAMP = ARCHIVE_NAME, f".{ARCHIVE_NAME}.lock", f".{ARCHIVE_NAME}.scrubbed"
RECORD = f".{ARCHIVE_NAME}.record"
DEEP = '"[" * 100000'
TRICKS = [
    f"mkfifo {A}",
    f"rm -rf {A}; mkdir -p {A}/x",
    f"ln -sf /etc/passwd {A}",
    f"mkfifo {A}.index",
    f"mkdir -p {A}.index/x",
    f"touch {A}; ln -sf /dev/zero {A}.index",
    f"touch {A}; truncate -s 1500M {A}.index",
    f"touch {A}; {sys.executable} -c 'print({DEEP})' >{A}.index",
    f"mkfifo {LOCK}",
    f"mkdir -p {LOCK}/x",
    f"ln -s /etc/passwd {LOCK}",
    f"touch {LOCK}; chmod 600 {LOCK}",
    f"ln -s /nonexistent {STAMP}",
    f"mkfifo {STAMP}",
    f"touch -d 2099-01-01 {STAMP}",
    f"mkfifo {RECORD}",
    f"ln -s /dev/zero {RECORD}",
    f"mkdir -p .{A}.tmp-1-ab/x",
]


@pytest.fixture
def folder() -> Generator[Path]:
    """Yield a folder in which everybody may create files, as in /tmp; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o1777)
        Path(path, "app.log").write_bytes(b"first\n")
        yield Path(path)


def plant(folder: Path, script: str, user: list[str]) -> None:
    """Run a script of an attacker in the folder."""
    subprocess.run(
        [*user, "sh", "-c", script], cwd=folder, check=False, timeout=PATIENCE, capture_output=True
    )


def clear(folder: Path) -> None:
    """Remove everything but the log."""
    subprocess.run(["find", folder, "-mindepth", "1", "!", "-name", "app.log", "-delete"], check=True)


def content(folder: Path) -> bytes:
    """Return the tar stream of the archive, which must be a regular file."""
    archive = folder / ARCHIVE_NAME
    assert not archive.is_symlink()
    return gzip.decompress(archive.read_bytes())


@pytest.mark.parametrize("user", [USER, POWERLESS_ROOT], ids=["uid 1000", "uid 0 without capabilities"])
def test_no_name_keeps_a_daemon_from_archiving(user: list[str], folder: Path, logcd: StartLogcd) -> None:
    daemon = logcd(directory=folder, prefix=CONFINED)
    for number, trick in enumerate(TRICKS):
        if user == POWERLESS_ROOT:  # it may also remove what is there
            plant(folder, f"rm -rf {A} {A}.index {LOCK} {STAMP} {RECORD}", user)
        plant(folder, trick, user)
        line = b"line %d\n" % number
        with (folder / "app.log").open("ab") as file:
            file.write(line)
        daemon.cycle()
        assert daemon.readyz()[0] == 200, trick
        assert line in content(folder), trick
    assert daemon.stop() == 0


@pytest.mark.parametrize("part", range(3))
def test_no_name_keeps_a_new_process_from_archiving(part: int, folder: Path) -> None:
    for trick in TRICKS[part::3]:
        clear(folder)
        plant(folder, trick, USER)
        done = run_logcd_once(folder, prefix=CONFINED)
        assert done.returncode == 0, (trick, done.stderr)
        assert b"first\n" in content(folder), trick
    assert Path("/etc/passwd").read_text().startswith("root:")


def test_a_lock_that_another_user_holds_is_not_waited_for(folder: Path) -> None:
    lock = folder / LOCK
    hold = (
        f"import fcntl, sys; file = open({str(lock)!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [*USER, sys.executable, "-Ic", hold]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        done = run_logcd_once(folder, prefix=CONFINED)
        holder.terminate()
    assert b"first\n" in content(folder)
    assert "it belongs to user 1000" in done.stderr


def test_a_stamp_that_is_a_link_creates_and_changes_nothing_elsewhere(folder: Path, tmp_path: Path) -> None:
    victim, created = tmp_path / "victim", tmp_path / "created"
    victim.touch()
    os.utime(victim, (1, 1))
    for target in (created, victim):
        clear(folder)
        plant(folder, f"ln -s {target} {STAMP}", USER)
        assert run_logcd_once(folder, "--scrub=1s", prefix=CONFINED).returncode == 0
    assert victim.stat().st_mtime == 1
    assert not created.exists()


def row_of(log: Path, status: os.stat_result, data: bytes) -> FileMetadata:
    """Return what an index would say of a log with this content."""
    return FileMetadata(
        name=str(log).lstrip("/"), length=len(data),
        header=tar_headers.header_size(os.fsencode(log).lstrip(b"/")),
        mode=0o600, uid=status.st_uid, gid=status.st_gid, mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns, device=status.st_dev, inode=status.st_ino, seen=len(data),
        head=crc32(data[:4096]), finished=0, tail=crc32(data),
    )  # fmt: skip


def forge(folder: Path, log: Path, data: bytes) -> None:
    """Write an archive with an index that claims this content for a log."""
    row = row_of(log, log.stat(), data)
    stream = tar_headers.tar_header(row) + data + bytes(padded_size(len(data)) - len(data))
    end = tar_headers.tar_end(len(stream))
    packed = [pieces.compress_piece(part, 6) for part in (stream, end)]
    spans = [
        pieces.Span(len(one), len(part), crc32(part)) for one, part in zip(packed, (stream, end), strict=True)
    ]
    tail, trailer = pieces.archive_end(pieces.join_spans(spans))
    archive = folder / ARCHIVE_NAME
    archive.write_bytes(pieces.GZIP_HEADER + b"".join(packed) + tail)
    unit = make_unit([row], spans[:1], is_large=False)
    parts = encode_index(trailer, [unit.block, encode_block([], [PieceSize(*spans[1])])])
    index_path(archive).write_bytes(b"".join(parts))


@pytest.mark.parametrize("how", ["chown", "chmod"])
def test_an_archive_that_others_made_or_may_change_is_not_taken_for_ours(how: str, folder: Path) -> None:
    log = folder / "app.log"
    log.write_bytes(b"intruder got root\n")
    forge(folder, log, b"nothing happened.\n")
    for path in (folder / ARCHIVE_NAME, index_path(folder / ARCHIVE_NAME)):
        if how == "chown":
            os.chown(path, 1000, 1000)
        else:
            path.chmod(0o666)
    (folder / "more.log").write_bytes(b"more\n")
    done = run_logcd_once(folder, prefix=CONFINED)
    assert b"intruder got root\n" in content(folder)
    assert "is not ours" in done.stderr


def test_a_secret_is_not_copied_through_a_link_and_a_made_up_index(folder: Path) -> None:
    secret = folder / "private/canary.pem"
    secret.parent.mkdir()
    crc, length = int.from_bytes(b"END1", "little"), 1024 + 10240
    secret.write_bytes(b"-----BEGIN CANARY-----\n" + b"secret " * 60 + b"END1" + length.to_bytes(4, "little"))
    os.chown(secret, 2000, 2000)
    secret.chmod(0o600)
    size = secret.stat().st_size
    evil, archive = folder / "evil.log", folder / ARCHIVE_NAME
    evil.write_bytes(b"nothing to see\n")
    row = row_of(evil, evil.stat(), b"nothing to see\n")
    # CRC-32 can be made up: that of the first piece is 0, so that of all of it is that of the last one.
    unit = encode_block([row], [PieceSize(size - 20, 1024, 0)])
    end = encode_block([], [PieceSize(0, 10240, crc)])
    index = b"".join(encode_index(Trailer(length=size, crc=crc, size=length), [unit, end]))
    text = base64.b64encode(index).decode()
    plant(folder, f"ln -s {secret} {archive}; echo {text} | base64 -d >{archive}.index", POWERLESS_ROOT)
    assert archive.is_symlink()
    assert run_logcd_once(folder, prefix=CONFINED).returncode == 0
    assert b"secret" not in archive.read_bytes()
    assert b"nothing to see\n" in content(folder)
