"""Containers with the permissions of their manifests: these are sufficient, and each of them is needed."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest
from tests.deploy.docker import BUILD_TIMEOUT
from tests.deploy.manifests import KUBERNETES, Object, command, loaded
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deploy.docker import Container, Start

pytestmark = [
    pytest.mark.timeout(BUILD_TIMEOUT),
    pytest.mark.skipif(os.geteuid() != 0, reason="creates directories owned by root, as a kubelet does"),
]

UNPRIVILEGED = 65532
DAC_READ_SEARCH = 2  # its number in linux/capability.h
NOT_ALL_READ = 3  # the exit code of logcd --once if a file could not be read
CREATED_BY_A_KUBELET = {"hostPath": (0, 0o755), "emptyDir": (0, 0o777)}


class Pod:
    """The pod of a manifest, whose containers are started one at a time as a runtime would."""

    def __init__(self, start: Start, manifest: str, folder: Path) -> None:
        """Create its volumes in a folder, as a kubelet does."""
        self._start = start
        self._folder = folder
        self.spec = loaded(KUBERNETES / manifest)["spec"]["template"]["spec"]
        for volume in self.spec["volumes"]:
            (kind,) = volume.keys() - {"name"}
            uid, mode = CREATED_BY_A_KUBELET[kind]
            path = self.volume(volume["name"])
            path.mkdir()
            path.chmod(mode)
            os.chown(path, uid, uid)

    def volume(self, name: str) -> Path:
        """Return the location of a volume."""
        return self._folder / name

    def run(self, container: Object, *more: str) -> Container:
        """Start one of its containers, with additional options of `docker run`."""
        program, *arguments = command(container)
        mounts = [
            f"--volume={self.volume(mount['name'])}:{mount['mountPath']}"
            for mount in container["volumeMounts"]
        ]
        options = [
            f"--entrypoint={program}",
            "--hostname=pod",
            *self._security_options(container),
            *mounts,
            *more,
        ]
        return self._start(*options, arguments=arguments)

    def _security_options(self, container: Object) -> Iterator[str]:
        own = container["securityContext"]
        both = self.spec["securityContext"] | own
        yield f"--user={both['runAsUser']}:{both['runAsGroup']}"
        if own["readOnlyRootFilesystem"]:
            yield "--read-only"
        if not own["allowPrivilegeEscalation"]:
            yield "--security-opt=no-new-privileges"
        yield from (f"--cap-drop={name}" for name in own["capabilities"].get("drop", []))
        yield from (f"--cap-add={name}" for name in own["capabilities"].get("add", []))


@pytest.fixture
def collector(start: Start, tmp_path: Path) -> Pod:
    return Pod(start, "logDaemon.yaml", tmp_path)


def test_the_collector_owns_its_directory_and_has_no_capability(collector: Pod) -> None:
    (owner,), (logd,) = collector.spec["initContainers"], collector.spec["containers"]
    assert collector.run(owner).wait() == 0
    running = collector.run(logd, "--publish=127.0.0.1::6666")
    running.wait_ready()
    assert set(running.status("Uid").split()) == {str(UNPRIVILEGED)}
    assert int(running.status("CapEff"), 16) == int(running.status("CapBnd"), 16) == 0
    assert running.status("NoNewPrivs") == "1"
    assert "Read-only file system" in running.execute("touch", "/opt/nodelog/x").stderr
    with socket.create_connection(running.address(6666)) as client:
        client.sendall(b"hello\n")
    wait_for(lambda: running.execute("cat", "/var/node_log").stdout == "hello\n", "the line is in the log")
    assert running.stop() == 0
    assert (collector.volume("nodelog") / "node_log").stat().st_uid == UNPRIVILEGED


def test_without_its_init_container_the_collector_reports_the_missing_permission(collector: Pod) -> None:
    logd = collector.run(collector.spec["containers"][0])
    assert logd.wait() == 1
    assert "/var/lib/nodelog" in logd.output()
    assert "Permission denied" in logd.output()
    assert "Traceback" not in logd.output()


def test_the_init_container_needs_its_capability(collector: Pod) -> None:
    (owner,) = collector.spec["initContainers"]
    owner["securityContext"]["capabilities"].pop("add")
    assert collector.run(owner).wait() == 1


def test_a_client_writes_its_spool_without_root(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logDaemonClient.yaml", tmp_path)
    (client,) = pod.spec["containers"]
    client["args"].append("--timeout=0s")  # for its end, since nothing listens where it greets
    greeting = pod.run(client, "--env=HOST_IP=127.0.0.1")
    spool = pod.volume("spool") / "greet.spool"
    wait_for(spool.exists, "the spool exists")
    assert spool.stat().st_uid == UNPRIVILEGED
    assert int(greeting.status("CapEff"), 16) == 0
    greeting.stop()
    assert "spool" in greeting.output()


def test_a_client_of_the_compressor_writes_its_file_without_capabilities(
    start: Start, tmp_path: Path
) -> None:
    pod = Pod(start, "logCompressorClient.yaml", tmp_path)
    (client,) = pod.spec["containers"]
    greeting = pod.run(client)
    log = pod.volume("logdir") / "pod.log"
    wait_for(lambda: log.exists() and "Greetings from pod" in log.read_text(), "the client has greeted")
    assert int(greeting.status("CapEff"), 16) == 0
    assert greeting.stop() == 0


def test_the_compressor_can_read_files_of_other_users_and_nothing_more(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logCompressor.yaml", tmp_path)
    other_log = write_log_of_another_user(pod)
    (container,) = pod.spec["containers"]
    logcd = pod.run(container)
    logcd.wait_ready(9167)
    assert int(logcd.status("CapEff"), 16) == 1 << DAC_READ_SEARCH
    listed = logcd.execute("sh", "-c", "tar -tzf /var/log/all-logs-*.tar.gz")
    assert listed.stdout == "var/log/theirs.log\n"
    written = logcd.execute("sh", "-c", "echo mine >>/var/log/theirs.log")
    assert "Permission denied" in written.stderr
    assert logcd.stop() == 0
    assert other_log.read_text() == "secret\n"


def test_without_its_capability_the_compressor_cannot_read_them(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logCompressor.yaml", tmp_path)
    write_log_of_another_user(pod)
    (pod.volume("logdir") / "ours.log").write_text("readable\n")
    (container,) = pod.spec["containers"]
    container["securityContext"]["capabilities"].pop("add")
    container["args"].append("--once")
    logcd = pod.run(container)
    assert logcd.wait() == NOT_ALL_READ
    assert "Permission denied" in logcd.output()


def write_log_of_another_user(pod: Pod) -> Path:
    """Create a log of another user that only this user may read."""
    log = pod.volume("logdir") / "theirs.log"
    log.write_text("secret\n")
    log.chmod(0o600)
    os.chown(log, UNPRIVILEGED, UNPRIVILEGED)
    return log


def test_only_root_can_write_to_the_logs_of_the_node(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logCompressorClient.yaml", tmp_path)
    pod.spec["securityContext"] |= {"runAsUser": UNPRIVILEGED, "runAsGroup": UNPRIVILEGED}
    greeting = pod.run(pod.spec["containers"][0])
    assert greeting.wait() == 2
    assert "Permission denied" in greeting.output()
