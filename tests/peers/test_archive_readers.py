"""Archives of logcd in other programs: all read the same files without complaints."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import sys
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGCD = str(Path(sys.executable).parent / "logcd")
LINE = '127.0.0.1 - - [22/Nov/2026:16:07:11 +0000] "GET /item/{} HTTP/1.1" 200 {}\n'
FILES = {
    "large.log": "".join(LINE.format(number, number * number) for number in range(50_000)).encode(),
    "empty.log": b"",
    "x" * 196 + ".log": b"a name of 200 bytes\n",
    "caf\udce9.log": b"a name that is not UTF-8\n",
    "two\nlines.log": b"a name in two lines\n",
    "-rf.log": b"a name like an option\n",
    "pods/a pod/0.log": b"a name with a blank, in a folder\n",
    **{f"small-{number}.log": LINE.format(number, number).encode() for number in range(300)},
}
MORE = b"".join(b"%d\n" % number for number in range(200_000))
PERL = """
use IO::Uncompress::Gunzip qw($GunzipError);
my $gzip = IO::Uncompress::Gunzip->new($ARGV[0]) or die $GunzipError;
print $data while ($status = $gzip->read($data)) > 0;
die "it fails: $GunzipError" if $status < 0;
die "something follows" if length $gzip->trailingData();
"""
PACKAGES = {"bsdtar": "libarchive-tools"}

EXTRACTING = {"GNU tar": ("tar", "-xz"), "bsdtar": ("bsdtar", "-x"), "busybox": ("busybox", "tar", "-xz")}
LISTING = {
    "GNU tar": ("tar", "--quoting-style=literal", "-tz"),
    "bsdtar": ("bsdtar", "-t"),
    "busybox": ("busybox", "tar", "-tz"),
}
TESTING = (("gzip", "-t"), ("pigz", "-t"))
INFLATING = {
    "zcat": ("zcat",),
    "pigz": ("pigz", "-dc"),
    "busybox": ("busybox", "zcat"),
    "perl": ("perl", "-e", PERL),
}


@dataclass(frozen=True, slots=True)
class Archived:
    """An archive and its files by name."""

    path: Path
    files: Mapping[str, bytes]

    @property
    def stream(self) -> bytes:
        """The tar stream, by a decompressor that stops after the first gzip member."""
        inflater = zlib.decompressobj(31)
        plain = inflater.decompress(self.path.read_bytes())
        assert (inflater.eof, inflater.unused_data) == (True, b"")
        return plain


@pytest.fixture(scope="module", params=["fresh", "grown"])
def archived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """Let logcd archive files: new ones, or files that have changed since an earlier archive."""
    folder, out = tmp_path_factory.mktemp("logs"), tmp_path_factory.mktemp("out")
    files = dict(FILES)
    archive = archive_files(folder, files, out)
    if request.param == "grown":
        (folder / "-rf.log").unlink()
        del files["-rf.log"]
        files |= {name: files[name] + MORE for name in ("large.log", "small-7.log", "empty.log")}
        files["new.log"] = b"new\n"
        archive = archive_files(folder, files, out)
    return Archived(archive, {f"{folder}/{name}".lstrip("/"): content for name, content in files.items()})


def archive_files(folder: Path, files: Mapping[str, bytes], out: Path) -> Path:
    """Append to the logs up to these contents, run a cycle, and return the archive."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(content[file.tell() :])
    options = [f"--dir={folder}", f"--out={out}", "--include=**/*.log", "--name=logs.tar.gz"]
    subprocess.run([LOGCD, "--once", "--keep-free=off", *options], check=True, timeout=60)
    return out / "logs.tar.gz"


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def tool(*command: str | Path, stdin: Path | None = None, folder: Path | None = None) -> bytes:
    """Run a program that must not complain, with `stdin` through a pipe if given; return its output."""
    name = str(command[0])
    if not shutil.which(name):
        pytest.skip(f"needs the Debian package {PACKAGES.get(name, name)}")
    data = stdin.read_bytes() if stdin else None
    done = subprocess.run(command, input=data, cwd=folder, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.mark.parametrize("name", EXTRACTING)
@pytest.mark.parametrize("piped", [False, True])
def test_tar_programs_extract_every_file_unchanged(
    archived: Archived, tmp_path: Path, name: str, *, piped: bool
) -> None:
    if piped:
        tool(*EXTRACTING[name], "-f", "-", stdin=archived.path, folder=tmp_path)
    else:
        tool(*EXTRACTING[name], "-f", archived.path, folder=tmp_path)
    assert files_below(tmp_path) == archived.files


@pytest.mark.parametrize("name", LISTING)
def test_tar_programs_list_every_name(archived: Archived, name: str) -> None:
    listed = tool(*LISTING[name], "-f", archived.path)
    # Some of them escape unusual characters in names.
    plain = {name for name in archived.files if name.isprintable()}
    assert plain <= set(listed.decode(errors="surrogateescape").splitlines())
    assert listed.count(b"\n") - listed.count(b"two\nlines") == len(archived.files)


@pytest.mark.parametrize("command", TESTING, ids=" ".join)
def test_integrity_checks_of_gzip_programs_pass(archived: Archived, command: tuple[str, ...]) -> None:
    tool(*command, archived.path)


@pytest.mark.parametrize("name", INFLATING)
def test_every_decompressor_returns_the_same_bytes(archived: Archived, name: str) -> None:
    assert tool(*INFLATING[name], archived.path) == archived.stream


def test_gzip_lists_the_right_length(archived: Archived) -> None:
    compressed, plain = tool("gzip", "-l", archived.path).splitlines()[1].split()[:2]
    assert (int(compressed), int(plain)) == (archived.path.stat().st_size, len(archived.stream))


@pytest.mark.parametrize("mode", ["r:gz", "r|gz"])
def test_python_extracts_every_file_unchanged(archived: Archived, tmp_path: Path, mode: str) -> None:
    with tarfile.open(archived.path, mode) as tar:  # type: ignore[call-overload] # it expects a literal
        tar.extractall(tmp_path, filter="data")
    assert files_below(tmp_path) == archived.files


def test_python_decompresses_it_in_one_call(archived: Archived) -> None:
    assert gzip.decompress(archived.path.read_bytes()) == archived.stream


def test_the_stream_of_a_single_decompressor_is_a_whole_tar_archive(archived: Archived) -> None:
    with tarfile.open(fileobj=io.BytesIO(archived.stream), mode="r:") as tar:
        assert tar.getnames() == sorted(archived.files)


def test_our_own_reader_verifies_it_and_extracts_every_file(archived: Archived, tmp_path: Path) -> None:
    nodelog = str(Path(sys.executable).parent / "nodelog")
    tool(nodelog, "archive", "verify", archived.path)
    tool(nodelog, "archive", "extract", archived.path, f"--to={tmp_path}")
    assert files_below(tmp_path) == archived.files
