"""Containers of the image under test: the fixtures `image` and `start`."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import pytest
from tests.deploy.manifests import ROOT
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

TAG = f"nodelog-test:{sha256(bytes(ROOT)).hexdigest()[:12]}"
"""The image of this checkout; another checkout on the same engine has its own."""
TIMEOUT = 60.0
"""Seconds for a container to start or to end."""
BUILD_TIMEOUT = 900.0
"""Seconds to build the image, which downloads packages, and compiles those without a wheel."""


def docker(*arguments: str, timeout: float = TIMEOUT) -> str:
    """Run the docker client and return its stdout; fail with its messages."""
    run = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False)
    assert run.returncode == 0, f"docker {' '.join(arguments)}: {run.stderr}{run.stdout}"
    return run.stdout.strip()


class Container:
    """A container that was started."""

    def __init__(self, options: Sequence[str], image: str, arguments: Sequence[str]) -> None:
        """Start it."""
        self.id = docker("run", "--detach", *options, image, *arguments)

    def inspect(self, template: str) -> str:
        """Return properties of it, in a Go template's format."""
        return docker("inspect", "--format", template, self.id)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it."""
        return subprocess.run(
            ["docker", "exec", self.id, *command],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def output(self) -> str:
        """Return its stdout and stderr."""
        run = subprocess.run(["docker", "logs", self.id], capture_output=True, text=True, check=True)
        return run.stdout + run.stderr

    def address(self, port: int) -> tuple[str, int]:
        """Return the address at which one of its ports is published."""
        host, _, number = docker("port", self.id, str(port)).splitlines()[0].rpartition(":")
        return host, int(number)

    def status(self, field: str) -> str:
        """Return a field of /proc/1/status, which describes its program."""
        found = self.execute("sed", "-n", f"s/^{field}:[[:space:]]*//p", "/proc/1/status")
        return found.stdout.strip()

    def wait_ready(self, port: int = 9166) -> None:
        """Wait until its page /readyz says that it is ready."""
        page = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/readyz')"
        wait_for(
            lambda: self._is_running() and self.execute("python3", "-c", page).returncode == 0,
            "the container is ready",
        )

    def stop(self) -> int:
        """Stop it by its stop signal and return its exit code."""
        docker("stop", "--time=50", self.id)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended and return its exit code."""
        return int(docker("wait", self.id))

    def remove(self) -> None:
        """Remove it and its volumes."""
        docker("rm", "--force", "--volumes", self.id)

    def _is_running(self) -> bool:
        if self.inspect("{{.State.Running}}") != "true":
            pytest.fail(f"the container has ended with the output: {self.output()}")
        return True


class Start(Protocol):
    """The type of the fixture `start`."""

    def __call__(self, *options: str, arguments: Sequence[str] = ()) -> Container:
        """Start a container with options of `docker run` and arguments for its program."""


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip the test if no Docker engine answers."""
    if not shutil.which("docker"):
        pytest.skip("Docker is not installed")
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers; as root `.ci/docker make test` starts one")


@pytest.fixture(scope="session")
def image(engine: None) -> str:  # noqa: ARG001 (it skips)
    """Build the image once for all tests."""
    environment = os.environ | {"BUILDKIT_PROGRESS": "plain"}
    run = subprocess.run(
        ["docker", "build", "--tag", TAG, ROOT],
        capture_output=True,
        text=True,
        env=environment,
        timeout=BUILD_TIMEOUT,
        check=False,
    )
    if run.returncode and "FROM" in run.stdout[-200:] + run.stderr[-200:]:
        pytest.skip(
            f"the base image is not available; `.ci/docker make test` builds a stand-in: {run.stderr}"
        )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return TAG


@pytest.fixture
def start(image: str) -> Generator[Start]:
    """Start containers, and remove them after the test."""
    with ExitStack() as stack:

        def run(*options: str, arguments: Sequence[str] = ()) -> Container:
            container = Container(options, image, arguments)
            stack.callback(container.remove)
            return container

        yield run
