"""The page on the architecture names files that exist, and the tree keeps to the limits it promises."""

import re
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = ("agent", "client", "daemons")
MOST_LINES = 250
MOST_MODULES = 15


def tracked(*folders: str) -> list[Path]:
    """List the Python files that git tracks, or would track, below these folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    names = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return [ROOT / name for name in names if name.endswith(".py") and (ROOT / name).exists()]


def test_every_file_of_the_map_exists() -> None:
    rows = re.findall(r"^\| [^|]+ \| (`.*`) \|$", PAGE.partition("## To change")[2], re.MULTILINE)
    assert len(rows) >= 30
    files = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_every_folder_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`([a-z_]+)/`", PAGE))
    folders = {path.parent.name for path in tracked(*PACKAGES)} | set(PACKAGES)
    assert named <= folders


def test_no_file_is_too_long_to_be_one_subject() -> None:
    long = {path: len(path.read_text().splitlines()) for path in tracked(*PACKAGES, "tests", "deploy")}
    assert {path: lines for path, lines in long.items() if lines > MOST_LINES} == {}


def test_no_folder_has_more_modules_than_a_reader_takes_in() -> None:
    modules = Counter(path.parent for path in tracked(*PACKAGES) if path.name != "__init__.py")
    assert {folder: count for folder, count in modules.items() if count > MOST_MODULES} == {}


def test_each_test_of_a_package_lies_where_its_module_lies() -> None:
    sources = {path.relative_to(ROOT).parent.parts[2:]: None for path in tracked(*PACKAGES)}
    below = {"agent": (), "client": (), "daemons": ()}
    tests = [path.relative_to(ROOT / "tests").parent for path in tracked("tests")]
    mirrored = {path.parts[1:] for path in tests if path.parts and path.parts[0] in below}
    assert mirrored <= sources.keys()
