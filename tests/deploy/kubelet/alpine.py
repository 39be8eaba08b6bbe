"""Builds a stand-in for alpine: a small image with a shell and `nc`, made from this machine's busybox."""

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


def build_image() -> str:
    """Build the image and return its tag."""
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("busybox is not installed: apt-get install busybox")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(busybox, PROGRAM)
        for library in _libraries(busybox):
            with Path(library).open("rb") as file:  # not a link to it
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
    """Return the libraries it is linked with; none if it is static."""
    output = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", output)
