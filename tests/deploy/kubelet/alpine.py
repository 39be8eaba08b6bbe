"""A small image with a shell, a `nc` and nothing else, made of this machine's busybox: it plays alpine."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

TAG = "nodelog-test-alpine:latest"
PROGRAM = "bin/busybox"


def make() -> str:
    """Make it; give its tag."""
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("busybox is not installed: apt-get install busybox")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(busybox, PROGRAM)
        for library in _libraries(busybox):
            with Path(library).open("rb") as file:  # not the link
                tar.addfile(tar.gettarinfo(arcname=library.lstrip("/"), fileobj=file), file)
        applets = subprocess.run(
            [busybox, "--list"], capture_output=True, text=True, check=True
        ).stdout.split()
        for applet in {*applets} - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    subprocess.run(["docker", "import", "-", TAG], input=archive.getvalue(), capture_output=True, check=True)
    return TAG


def _libraries(program: str) -> list[str]:
    """Give what it is linked with; nothing if it is static."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", said)
