import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from tests.client.archive.archive_builder import flip_byte, write_archive, write_plain_archive

from nodelog.archive.index import index_path

NODELOG = str(Path(sys.executable).parent / "nodelog")
Run = Callable[..., Popen[bytes]]
FILES = {"var/log/a.log": bytes(range(256)) * 64, "var/log/b.log": b"two\n", "two\nlines \udcff\x1b[2J": b""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_archive(archive := tmp_path / "x.tar.gz", FILES)
    return archive


def result_of(process: Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err.decode()


def on_terminal(*arguments: object) -> tuple[int, str, str]:
    """Run it with one terminal for stdout and one for stderr; return exit code and what they show."""
    (out, stdout), (err, stderr) = pty.openpty(), pty.openpty()
    command = [NODELOG, *map(str, arguments)]
    process = Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    for fd in (stdout, stderr):
        os.close(fd)
    shown = _read_all(out), _read_all(err)
    return process.wait(30), *shown


def _read_all(terminal: int) -> str:
    data = b""
    try:
        while more := os.read(terminal, 4096):
            data += more
    except OSError:  # the other end is closed
        os.close(terminal)
    return data.decode()


def test_list_prints_what_tar_prints(run: Run, path: Path) -> None:
    code, out, err = result_of(run("archive", "list", path))
    tar = subprocess.run(
        ["tar", "--quoting-style=literal", "--list", "--verbose", "--file", path], stdout=PIPE, check=True
    )
    assert (code, err) == (0, "")
    assert out == tar.stdout


def test_list_escapes_names_on_a_terminal(path: Path) -> None:
    code, out, err = on_terminal("archive", "list", path)
    assert (code, err) == (0, "")
    assert out.splitlines()[2].endswith(" two\\nlines \\xff\\x1b[2J")


def test_list_prints_the_same_as_json(run: Run, path: Path) -> None:
    code, out, _ = result_of(run("archive", "list", "--json", path))
    rows = json.loads(out)
    assert code == 0
    assert {row["name"]: row["size"] for row in rows} == {name: len(data) for name, data in FILES.items()}
    assert rows[0] == {
        "name": "var/log/a.log",
        "type": "file",
        "size": 16384,
        "mode": "0640",
        "uid": 0,
        "gid": 0,
        "user": "root",
        "group": "root",
        "modified": 1795000000,
    }


def test_list_can_be_limited_to_some_members(run: Run, path: Path) -> None:
    code, out, err = result_of(run("archive", "list", path, "/var/log/b.log", "never"))
    assert (code, out.count(b"\n"), err) == (1, 1, f"nodelog archive: {path}: never was not found in it\n")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("indexed", [True, False])
def test_cat_prints_one_member(run: Run, path: Path, name: str, indexed: bool) -> None:
    if not indexed:
        index_path(path).unlink()
    assert result_of(run("archive", "cat", path, name)) == (0, FILES[name], "")


def test_cat_accepts_the_absolute_path_of_the_file(run: Run, path: Path) -> None:
    assert result_of(run("archive", "cat", path, "/var/log/b.log")) == (0, b"two\n", "")


def test_cat_of_a_damaged_member_prints_what_precedes_the_damage_and_reports_it(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "x.tar.gz"
    locations = write_archive(path, FILES)
    flip_byte(path, locations[3].offset + 2)
    code, out, err = result_of(run("archive", "cat", path, "var/log/a.log"))
    assert code == 1
    assert FILES["var/log/a.log"].startswith(out)
    assert err.startswith(f"nodelog archive: {path}: var/log/a.log is damaged: bytes ")
    assert err.count("\n") == 1


def test_verify_reports_an_intact_archive(run: Run, path: Path) -> None:
    code, out, err = result_of(run("archive", "verify", path))
    assert (code, err) == (0, "")
    assert out.decode() == f"{path}: whole: 3 members, 16,388 bytes in 9 pieces\n"


def test_verify_reports_what_is_damaged(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    locations = write_archive(path, FILES)
    flip_byte(path, locations[1].offset + 2)
    code, out, err = result_of(run("archive", "verify", path))
    assert code == 1
    assert out.decode() == f"{path}: whole: 2 members, 4 bytes in 9 pieces\n"
    assert err == f"nodelog archive: {path}: var/log/a.log is damaged: bytes 0 to 4095 are damaged\n"


def test_verify_checks_several_archives_and_exits_with_the_worst_result(
    run: Run, path: Path, tmp_path: Path
) -> None:
    code, out, err = result_of(run("archive", "verify", path, tmp_path / "missing", path))
    assert code == 2
    assert out.decode() == f"{path}: whole: 3 members, 16,388 bytes in 9 pieces\n" * 2
    assert err.count("\n") == 1


def test_verify_reports_why_an_index_is_not_used(run: Run, path: Path) -> None:
    flip_byte(index_path(path), 100)
    code, _, err = result_of(run("archive", "verify", path))
    assert code == 0
    assert err.startswith(f"nodelog archive: {path}: its index is not used: ")


def test_extract_writes_files(run: Run, path: Path, tmp_path: Path) -> None:
    code, out, err = result_of(run("archive", "extract", path, "var/log/b.log", "--to", tmp_path / "out"))
    assert (code, err) == (0, "")
    assert out.decode() == f"1 member, 4 bytes, extracted to {tmp_path / 'out'}\n"
    assert (tmp_path / "out" / "var" / "log" / "b.log").read_bytes() == b"two\n"


def test_extract_reports_what_it_leaves_out(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write_plain_archive(path, {"../e\x1bvil": b"evil"})
    code, _, err = result_of(run("archive", "extract", path, "--to", tmp_path / "out"))
    assert code == 1
    expected = f"../e\\x1bvil is left out: it would lie outside of {tmp_path / 'out'}"
    assert err == f"nodelog archive: {path}: {expected}\n"


def test_the_progress_bar_is_removed_at_the_end(path: Path) -> None:
    code, _, err = on_terminal("archive", "verify", path)
    assert (code, err) == (0, "\r\x1b[K")


@pytest.mark.parametrize("action", ["list", "verify", "extract"])
def test_an_unreadable_archive_is_one_line(run: Run, tmp_path: Path, action: str) -> None:
    (tmp_path / "text").write_text("text")
    for name, why in (("none", "No such file or directory"), ("text", "it is not a gzip file")):
        code, out, err = result_of(run("archive", action, tmp_path / name))
        assert (code, out, err) == (2, b"", f"nodelog archive: cannot read {tmp_path / name}: {why}\n")


def test_a_full_disk_at_the_output_is_one_line(path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [NODELOG, "archive", "cat", str(path), "var/log/b.log"]
        ended = subprocess.run(command, stdout=full, stderr=PIPE, check=False, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr == b"nodelog archive: cannot write to standard output: No space left on device\n"


def test_a_reader_that_leaves_ends_it_silently(run: Run, tmp_path: Path) -> None:
    write_archive(path := tmp_path / "x.tar.gz", {"a": bytes(1 << 22)})
    process = run("archive", "cat", path, "a")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(30) == 1
    assert process.stderr is not None
    assert process.stderr.read() == b""
