import subprocess
import sys

import pytest

import nodelog

HEAVY = {"asyncio", "logging", "socket", "sqlite3", "threading"}


def test_every_public_name_can_be_imported() -> None:
    assert nodelog.__all__ == sorted(nodelog._MODULES)
    for name in nodelog.__all__:
        assert getattr(nodelog, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nodelog' has no attribute 'Nonsense'"):
        nodelog.Nonsense  # noqa: B018 (that is the test)


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import nodelog", set()),
        ("import nodelog.wire.client_session", set()),
        ("from nodelog import Shipper", {"socket", "sqlite3", "threading"}),
        ("from nodelog import AsyncShipper", HEAVY),
    ],
)
def test_an_import_loads_no_more_modules_than_it_needs(statement: str, heavy: set[str]) -> None:
    program = (
        f"import sys; before = set(sys.modules); {statement}; print(*{HEAVY} & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= heavy
