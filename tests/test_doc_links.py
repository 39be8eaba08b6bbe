"""Links in the documents lead somewhere, and the files that the documents name exist."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)")
TEST_FILE = re.compile(r"`((?:[\w-]+/)*test_\w+\.py)`")
PATH = re.compile(r"`((?:agent|client|daemons|deploy|tests)/[\w./-]+)`")
MODULE = re.compile(r"python -m (tests\.[\w.]+)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@cache
def project_files() -> list[str]:
    """List the files that git tracks, or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.check_output(command, cwd=ROOT, text=True).splitlines()


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_each_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for name, anchor in LINK.findall(page.read_text()):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), f"{name}#{anchor}"


@each_page
def test_each_test_file_that_a_page_names_exists(page: Path) -> None:
    known = [f"/{file}" for file in project_files()]
    named = TEST_FILE.findall(page.read_text())
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in known)] == []


@each_page
def test_each_path_that_a_page_names_exists(page: Path) -> None:
    assert [name for name in PATH.findall(page.read_text()) if not (ROOT / name).exists()] == []


@each_page
def test_each_program_of_the_tests_that_a_page_names_exists(page: Path) -> None:
    named = MODULE.findall(page.read_text())
    assert [name for name in named if not (ROOT / name.replace(".", "/")).with_suffix(".py").is_file()] == []
