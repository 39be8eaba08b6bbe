"""Containers with the rights that the manifests give them: they are enough, and none of them is too many."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest
from tests.deploy.docker import BUILD
from tests.deploy.manifests import KUBERNETES, Object, command, loaded
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deploy.docker import Container, Start

pytestmark = [
    pytest.mark.timeout(BUILD),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes directories of root's, as a kubelet does"),
]

NOBODY = 65532
DAC_READ_SEARCH = 2  # its number in linux/capability.h
NOT_ALL_READ = 3  # what logcd --once exits with
MADE_BY_A_KUBELET = {"hostPath": (0, 0o755), "emptyDir": (0, 0o777)}


class Pod:
    """A pod of a manifest: its containers as a runtime would start them, one at a time."""

    def __init__(self, start: Start, manifest: str, folder: Path) -> None:
        """Make its volumes in a folder, as a kubelet does."""
        self._start = start
        self._folder = folder
        self.spec = loaded(KUBERNETES / manifest)["spec"]["template"]["spec"]
        for volume in self.spec["volumes"]:
            (kind,) = volume.keys() - {"name"}
            uid, mode = MADE_BY_A_KUBELET[kind]
            place = self.volume(volume["name"])
            place.mkdir()
            place.chmod(mode)
            os.chown(place, uid, uid)

    def volume(self, name: str) -> Path:
        """Return where a volume is."""
        return self._folder / name

    def run(self, container: Object, *more: str) -> Container:
        """Start one of its containers, with more options of `docker run`."""
        program, *arguments = command(container)
        mounts = [
            f"--volume={self.volume(mount['name'])}:{mount['mountPath']}"
            for mount in container["volumeMounts"]
        ]
        options = [f"--entrypoint={program}", "--hostname=pod", *self._rights(container), *mounts, *more]
        return self._start(*options, arguments=arguments)

    def _rights(self, container: Object) -> Iterator[str]:
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


def test_the_collector_gets_its_directory_and_has_no_power_over_others(collector: Pod) -> None:
    (owner,), (logd,) = collector.spec["initContainers"], collector.spec["containers"]
    assert collector.run(owner).wait() == 0
    running = collector.run(logd, "--publish=127.0.0.1::6666")
    running.wait_ready()
    assert set(running.status("Uid").split()) == {str(NOBODY)}
    assert int(running.status("CapEff"), 16) == int(running.status("CapBnd"), 16) == 0
    assert running.status("NoNewPrivs") == "1"
    assert "Read-only file system" in running.execute("touch", "/opt/nodelog/x").stderr
    with socket.create_connection(running.address(6666)) as client:
        client.sendall(b"hello\n")
    wait_for(lambda: running.execute("cat", "/var/node_log").stdout == "hello\n", "the line is there")
    assert running.stop() == 0
    assert (collector.volume("nodelog") / "node_log").stat().st_uid == NOBODY


def test_without_the_container_before_it_the_collector_says_what_it_lacks(collector: Pod) -> None:
    logd = collector.run(collector.spec["containers"][0])
    assert logd.wait() == 1
    assert "/var/lib/nodelog" in logd.said()
    assert "Permission denied" in logd.said()
    assert "Traceback" not in logd.said()


def test_the_container_before_it_needs_the_one_power_that_it_has(collector: Pod) -> None:
    (owner,) = collector.spec["initContainers"]
    owner["securityContext"]["capabilities"].pop("add")
    assert collector.run(owner).wait() == 1


def test_a_client_keeps_its_spool_as_nobody(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logDaemonClient.yaml", tmp_path)
    (client,) = pod.spec["containers"]
    client["args"].append("--timeout=0s")  # at its end; it greets where nobody listens
    greeting = pod.run(client, "--env=HOST_IP=127.0.0.1")
    spool = pod.volume("spool") / "greet.spool"
    wait_for(spool.exists, "the spool is there")
    assert spool.stat().st_uid == NOBODY
    assert int(greeting.status("CapEff"), 16) == 0
    greeting.stop()
    assert "spool" in greeting.said()


def test_a_client_of_the_compressor_writes_its_file_without_any_power(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logCompressorClient.yaml", tmp_path)
    (client,) = pod.spec["containers"]
    greeting = pod.run(client)
    log = pod.volume("logdir") / "pod.log"
    wait_for(lambda: log.exists() and "Greetings from pod" in log.read_text(), "it has greeted")
    assert int(greeting.status("CapEff"), 16) == 0
    assert greeting.stop() == 0


def test_the_compressor_reads_what_belongs_to_others_and_may_no_more(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logCompressor.yaml", tmp_path)
    theirs = log_of_another(pod)
    (container,) = pod.spec["containers"]
    logcd = pod.run(container)
    logcd.wait_ready(9167)
    assert int(logcd.status("CapEff"), 16) == 1 << DAC_READ_SEARCH
    listed = logcd.execute("sh", "-c", "tar -tzf /var/log/all-logs-*.tar.gz")
    assert listed.stdout == "var/log/theirs.log\n"
    written = logcd.execute("sh", "-c", "echo mine >>/var/log/theirs.log")
    assert "Permission denied" in written.stderr
    assert logcd.stop() == 0
    assert theirs.read_text() == "secret\n"


def test_without_its_one_power_the_compressor_cannot_read_them(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logCompressor.yaml", tmp_path)
    log_of_another(pod)
    (pod.volume("logdir") / "ours.log").write_text("readable\n")
    (container,) = pod.spec["containers"]
    container["securityContext"]["capabilities"].pop("add")
    container["args"].append("--once")
    logcd = pod.run(container)
    assert logcd.wait() == NOT_ALL_READ
    assert "Permission denied" in logcd.said()


def log_of_another(pod: Pod) -> Path:
    """Have another user write a log for nobody else to read."""
    log = pod.volume("logdir") / "theirs.log"
    log.write_text("secret\n")
    log.chmod(0o600)
    os.chown(log, NOBODY, NOBODY)
    return log


def test_another_user_than_root_cannot_write_into_the_logs_of_the_node(start: Start, tmp_path: Path) -> None:
    pod = Pod(start, "logCompressorClient.yaml", tmp_path)
    pod.spec["securityContext"] |= {"runAsUser": NOBODY, "runAsGroup": NOBODY}
    greeting = pod.run(pod.spec["containers"][0])
    assert greeting.wait() == 2
    assert "Permission denied" in greeting.said()
