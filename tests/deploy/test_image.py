from __future__ import annotations

import json
import re
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.docker import BUILD_TIMEOUT, docker
from tests.deploy.manifests import PROGRAMS, ROOT
from tests.waiting import wait_for

from nodelog import __version__

if TYPE_CHECKING:
    from tests.deploy.docker import Start

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT)

DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
MAX_SIZE = 35 * 1000**2  # bytes of our own layers
RESTRICTED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def test_the_linter_accepts_the_dockerfile() -> None:
    run = subprocess.run(
        [PROGRAMS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "")


def test_the_dockerfile_needs_no_special_builder() -> None:
    assert not DOCKERFILE.startswith("# syntax")
    assert "--mount" not in INSTRUCTIONS
    assert re.findall("^FROM .*", INSTRUCTIONS, re.MULTILINE) == [
        "FROM python:3.11-slim-bookworm AS build",
        "FROM python:3.11-slim-bookworm",
    ]


def test_every_installed_package_is_locked() -> None:
    installs = [
        line for line in INSTRUCTIONS.replace("\\\n", " ").split("&&") if re.search("pip.* install ", line)
    ]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def test_the_image_has_labels(image: str) -> None:
    labels = configuration(image)["Labels"]
    assert labels["org.opencontainers.image.title"] == "nodelog"
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_a_container_runs_its_program_directly_and_without_root(image: str) -> None:
    found = configuration(image)
    assert (found["User"], found["Entrypoint"], found["StopSignal"]) == ("65532:65532", ["logd"], "SIGTERM")


def test_our_own_layers_are_small(image: str) -> None:
    base = docker("image", "inspect", "--format", "{{.Size}}", "python:3.11-slim-bookworm")
    whole = docker("image", "inspect", "--format", "{{.Size}}", image)
    assert int(whole) - int(base) <= MAX_SIZE


@pytest.mark.parametrize("program", ["logd", "logcd", "nodeagent", "nodelog"])
def test_the_image_has_every_program(image: str, program: str) -> None:
    output = docker("run", "--rm", f"--entrypoint={program}", *RESTRICTED, image, "--version")
    assert re.fullmatch(rf"{program}.* {re.escape(__version__)}", output)


def test_the_image_has_the_tools_to_inspect_it(image: str) -> None:
    tools = "for tool in cat find tar gzip sh; do command -v $tool || exit 1; done; readlink /var/node_log"
    output = docker("run", "--rm", "--entrypoint=sh", image, "-c", tools)
    assert output.splitlines()[-1] == "/var/lib/nodelog/node_log"


def test_the_image_has_no_tools_to_install_or_build(image: str) -> None:
    tools = "command -v gcc uv hatchling; ls /opt/nodelog/lib/python3*/site-packages"
    output = docker("run", "--rm", "--entrypoint=sh", image, "-c", tools).split()
    assert not {"pip", "setuptools", "hatchling", "pytest"} & set(output)
    assert {"nodelog", "nodelogd"} <= set(output)


@pytest.mark.parametrize("program", [("logd", "--help"), ("logcd", "--help"), ("nodelog", "greet", "--help")])
def test_every_module_a_program_imports_is_compiled(image: str, program: tuple[str, ...]) -> None:
    name, *options = program
    command = ("-v", f"/opt/nodelog/bin/{name}", *options)  # -v reports the origin of each module's code
    run = subprocess.run(
        ["docker", "run", "--rm", "--entrypoint=python3", *RESTRICTED, image, *command],
        capture_output=True,
        text=True,
        check=False,
    )
    origins = re.findall("code object from '(.*)'", run.stderr)
    assert any(path.endswith(".pyc") for path in origins)
    assert [path for path in origins if path.endswith(".py")] == []


def test_a_line_sent_to_a_container_is_in_its_log_and_sigterm_ends_it(start: Start) -> None:
    logd = start(*RESTRICTED, "--volume=/var/lib/nodelog", "--publish=127.0.0.1::6666")
    logd.wait_ready()
    with socket.create_connection(logd.address(6666)) as client:
        client.sendall(b"hello\n")
    wait_for(lambda: logd.execute("cat", "/var/node_log").stdout == "hello\n", "the line is in the log")
    assert logd.stop() == 0


def configuration(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image))
    return found
