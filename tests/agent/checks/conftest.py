"""A folder with an archive."""

import os
import tarfile
from pathlib import Path

import pytest


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Create an archive as `tar czf` does."""
    (tmp_path / "x.log").write_bytes(os.urandom(100_000))
    path = tmp_path / "all-logs-2020-11-22.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(tmp_path / "x.log", "var/log/x.log")
    return path
