"""A real rsyslogd, as packaged by Debian, that sends the lines of a file."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def rsyslog(folder: Path, text: str) -> Generator[None]:
    """Run an rsyslogd with this configuration until the block ends."""
    if not shutil.which("rsyslogd") or not list(Path("/usr/lib").glob("*/rsyslog/omrelp.so")):
        pytest.skip("needs the Debian packages rsyslog and rsyslog-relp")
    config = folder / "rsyslog.conf"
    config.write_text(text)
    output = (folder / "output").open("wb")
    with (
        output,
        subprocess.Popen(
            ["rsyslogd", "-n", "-iNONE", "-f", config], stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
