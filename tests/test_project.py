import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nodelog import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-build.lock"]


def pins(lock: str) -> dict[str, set[str]]:
    """Return the hashes of each `name==version` in a lock."""
    entries = re.findall(
        r"^([a-z][^\\]*?) \\\n((?:    --hash=.*\n)+)", (ROOT / lock).read_text(), re.MULTILINE
    )
    return {pin.partition(" ;")[0]: set(re.findall("sha256:[0-9a-f]{64}", hashes)) for pin, hashes in entries}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_path(lock: str) -> None:
    assert not re.search(r"://|file:|^-|^\s+-(?!-hash=)|^#.* /", (ROOT / lock).read_text(), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_hash_for_every_requirement(lock: str) -> None:
    required = re.findall(r"^[a-z].*==.*", (ROOT / lock).read_text(), re.MULTILINE)
    assert len(required) == len(pins(lock)) > 5
    assert all(pins(lock).values())


@pytest.mark.parametrize("lock", LOCKS)
def test_the_developers_lock_has_the_same_pins_as_the_other_locks(lock: str) -> None:
    developers = pins("requirements-dev.lock")
    assert pins(lock) == {name: developers.get(name) for name in pins(lock)}


def test_package_and_changelog_have_the_same_version() -> None:
    assert importlib.metadata.version("nodelog") == __version__
    assert f"\n## {__version__} " in (ROOT / "CHANGELOG.md").read_text()


def test_the_contract_of_the_client_forbids_every_package_of_the_extras() -> None:
    needs = [need for needs in PROJECT["project"]["optional-dependencies"].values() for need in needs]
    wanted = {re.split("[^a-z-]", need)[0] for need in needs} - {"nodelog"}
    modules = importlib.metadata.packages_distributions()
    top = {name for name, owners in modules.items() if wanted & set(owners) and not name.startswith("_")}
    forbidden = next(
        set(contract["forbidden_modules"])
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        if contract["type"] == "forbidden"
    )
    assert top <= forbidden


def test_the_client_can_be_imported_without_any_installed_package() -> None:
    tools = {"load"}
    names = sorted(
        ".".join(path.relative_to(ROOT / "client").with_suffix("").parts)
        for path in (ROOT / "client/nodelog").rglob("*.py")
        if not tools & set(path.with_suffix("").parts)
    )
    assert names
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'client')!r}); import {', '.join(names)}"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


def run_pytest(folder: Path, *options: str, ci: str = "") -> str:
    """Run the tests of a folder with our conftest.py; return the output."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "pytest.ini").write_text(
        f"[pytest]\nasyncio_default_fixture_loop_scope = function\npythonpath = {ROOT}\n"
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--continue-on-collection-errors", *options],
        cwd=folder,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@pytest.mark.parametrize("options", [(), ("-n", "2")])
@pytest.mark.parametrize(("ci", "summary"), [("true", "1 failed, 1 error in"), ("", "2 skipped in")])
def test_in_ci_a_skipped_test_or_file_is_a_failure(
    ci: str, summary: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "test_one.py").write_text("import pytest\ndef test(): pytest.skip()")
    (tmp_path / "test_file.py").write_text("import pytest\npytest.importorskip('x_')")
    assert f" {summary}" in run_pytest(tmp_path, *options, ci=ci)


def test_a_failure_with_lone_surrogates_is_reported_by_any_process(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test(): assert '\\udcff' == ''\ndef test_next(): pass")
    output = run_pytest(tmp_path, "-n", "2")
    assert r"\udcff" in output
    assert "1 failed, 1 passed in" in output


def test_each_file_goes_to_one_process_and_all_deploy_tests_to_the_same(tmp_path: Path) -> None:
    for name in ("a/test_one.py", "a/test_two.py", "tests/deploy/test_one.py", "tests/deploy/test_two.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(
            "import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test(n): pass"
        )
    output = run_pytest(tmp_path, "-n", "2", "-v", "--import-mode=importlib")
    ran = set(re.findall(r"\[gw(\d)\] .* PASSED (\S*)/", output))
    assert len([worker for worker, folder in ran if folder == "tests/deploy"]) == 1


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a folder with the files that make needs, and a PATH without python."""
    for name in ("Makefile", "pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in ("make", "sh", "bash", "sha256sum", "cmp", "flock", "rm"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def make_venv(folder: Path) -> str:
    run = subprocess.run(
        ["make", "venv"],
        cwd=folder,
        env={"PATH": str(folder / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    lines = run.stderr.splitlines()
    assert lines.pop().startswith("make: ***")
    assert len(lines) == 1
    return lines[0]


def fake_python(folder: Path, name: str, *, version: str, has_venv: bool) -> None:
    """Put a fake python into the PATH, with a version, that can or cannot create a virtual environment."""
    status = "0" if version >= "3.11" else "1"
    version_check = f'case "$2" in *version_info*) echo {version}; exit {status};; esac'
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{version_check}\nexit {0 if has_venv else 1}\n")
    (folder / "bin" / name).chmod(0o755)


def test_a_missing_python_is_reported_with_the_package_to_install(bare: Path) -> None:
    assert make_venv(bare) == "make: needs python3 >= 3.11, found none: apt-get install python3 python3-venv"


def test_an_old_python_is_reported(bare: Path) -> None:
    fake_python(bare, "python3", version="3.10", has_venv=True)
    assert make_venv(bare) == "make: needs python3 >= 3.11, found 3.10: apt-get install python3 python3-venv"


def test_a_python_without_venv_is_reported_with_the_package_to_install(bare: Path) -> None:
    fake_python(bare, "python3", version="3.12", has_venv=False)
    expected = "make: python3.12 cannot make a virtual environment: apt-get install python3.12-venv"
    assert make_venv(bare) == expected
