"""The seccomp profile: the programs work under it, and no file outside of the mounts can be opened."""

from __future__ import annotations

import ctypes
import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.docker import BUILD_TIMEOUT
from tests.deploy.manifests import COMPONENTS, ROOT, mix, pod, rendered
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.docker import Container, Start

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT)

FILE = ROOT / "deploy" / "seccomp" / "nodelog.json"
PROFILE: dict[str, Any] = json.loads(FILE.read_text())
CONFINED = (
    f"--security-opt=seccomp={FILE}",
    "--security-opt=no-new-privileges",
    "--cap-drop=ALL",
    "--read-only",
)
READER = ("--user=0:0", "--cap-add=DAC_READ_SEARCH")
OPEN_BY_HANDLE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
file = libc.open_by_handle_at(os.open("/var/log", os.O_RDONLY), bytes.fromhex(sys.argv[1]), os.O_RDONLY)
print(os.read(file, 100).decode() if file >= 0 else os.strerror(ctypes.get_errno()))
"""


def file_handle(path: Path) -> str:
    """Return the handle of a file, which an attacker can guess, in hexadecimal digits."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle, mount = bytearray((128).to_bytes(4, sys.byteorder) + bytes(132)), ctypes.c_int()
    buffer = (ctypes.c_char * len(handle)).from_buffer(handle)
    assert libc.name_to_handle_at(-100, bytes(path), buffer, ctypes.byref(mount), 0) == 0, ctypes.get_errno()
    return handle.hex()


def opened_by_handle(container: Container, handle: str) -> str:
    """Return the content of the file with this handle, or why that was refused."""
    run = container.execute("python3", "-c", OPEN_BY_HANDLE, handle)
    return (run.stdout + run.stderr).strip()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Create a folder for logs with a log, and a file beside it that is not mounted."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.log").write_text("a line\n")
    (tmp_path / "secret").write_text("secret of the host")
    (tmp_path / "secret").chmod(0o600)
    return tmp_path


def test_only_what_is_listed_is_allowed() -> None:
    allowed: set[str] = set()
    for rule in PROFILE["syscalls"]:
        if rule["action"] == "SCMP_ACT_ALLOW":
            allowed |= set(rule["names"])
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"
    handles = {"name_to_handle_at", "open_by_handle_at"}
    namespaces = {"clone3", "mount", "pivot_root", "setns", "unshare"}
    others = {
        "process_vm_readv",
        "ptrace",
        "bpf",
        "perf_event_open",
        "io_uring_setup",
        "keyctl",
        "init_module",
    }
    assert allowed.isdisjoint(handles | namespaces | others)


def test_the_component_gives_every_pod_the_profile() -> None:
    for names in (mix("seccomp"), mix(*COMPONENTS)):
        pods = [found for one in rendered(names) if (found := pod(one)) is not None]
        assert pods
        expected = {"type": "Localhost", "localhostProfile": FILE.name}
        assert [one["securityContext"]["seccompProfile"] for one in pods] == [expected] * len(pods)


def test_logd_works_under_the_profile(start: Start) -> None:
    logd = start(*CONFINED, "--volume=/var/lib/nodelog", "--publish=127.0.0.1::6666")
    logd.wait_ready()
    with socket.create_connection(logd.address(6666)) as client:
        client.sendall(b"a line\n")
    wait_for(lambda: logd.execute("cat", "/var/node_log").stdout == "a line\n")
    greet = ["sh", "-c", "echo acknowledged | nodelog pipe --host=127.0.0.1"]
    assert logd.execute(*greet).returncode == 0
    assert logd.execute("cat", "/var/node_log").stdout == "a line\nacknowledged\n"
    assert logd.stop() == 0


def test_logcd_works_under_the_profile_and_opens_nothing_by_handle(start: Start, host: Path) -> None:
    logs = f"--volume={host / 'log'}:/var/log"
    logcd = start(*CONFINED, *READER, logs, "--entrypoint=logcd", arguments=["--http=9167", "--every=1s"])
    logcd.wait_ready(9167)
    tar = "tar -xOf /var/log/all-logs-*.tar.gz var/log/a.log"
    wait_for(lambda: logcd.execute("sh", "-c", tar).stdout == "a line\n")
    assert opened_by_handle(logcd, file_handle(host / "secret")) == "Operation not permitted"
    assert logcd.stop() == 0


def test_without_the_profile_the_capability_opens_any_file_of_the_host(start: Start, host: Path) -> None:
    logs = f"--volume={host / 'log'}:/var/log"
    sleep = start("--cap-drop=ALL", *READER, logs, "--entrypoint=sleep", arguments=["1000"])
    assert opened_by_handle(sleep, file_handle(host / "secret")) == "secret of the host"


def test_the_agent_works_under_the_profile(start: Start) -> None:
    watch = ["watch", "--disk=/", "--look-every=1s"]
    agent = start(*CONFINED, *READER, "--entrypoint=nodeagent", arguments=watch)
    page = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9168/status').read().decode())"
    wait_for(lambda: '"free_bytes"' in agent.execute("python3", "-c", page).stdout)
    assert agent.stop() == 0
