"""A pod on its node: a thread starts, probes, restarts and stops its containers as a kubelet does.

The pod's network belongs to a container of its own, the sandbox, which does nothing else. So the address of
the pod and its host ports stay while its containers come and go.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.deploy.docker import docker
from tests.deploy.kubelet import docker_options, running_container
from tests.deploy.kubelet.disks import MissingError
from tests.deploy.kubelet.running_container import RunningContainer

if TYPE_CHECKING:
    import subprocess

    from tests.deploy.kubelet.node import Node
    from tests.deploy.kubelet.objects import ObjectKey, PodTemplate
    from tests.deploy.kubelet.podspec import Container
    from tests.deploy.kubelet.running_container import ContainerRun

POLL_INTERVAL = 0.05  # seconds
RESTART_DELAYS = (0.0, 1.0, 2.0, 4.0)
"""Seconds before a container is restarted; a kubelet starts with 0, too, and continues with 10."""


class _StoppedError(Exception):
    """The pod was deleted, or its node is down."""


class Pod:
    """A pod assigned to a node; it goes through the phases that kubectl shows."""

    def __init__(
        self, name: str, namespace: str, template: PodTemplate, node: Node, *, owner: ObjectKey | None
    ) -> None:
        """Create and start it."""
        self.name = name
        self.namespace = namespace
        self.labels = template.labels
        self.revision = template.revision
        self.owner = owner
        self.node = node
        self.phase = "Pending"
        self.reason = ""
        self.is_ready = False
        self.ready_since = 0.0  # seconds since the epoch
        self.restarts = 0
        self.runs: list[ContainerRun] = []  # of its containers, those that have ended
        self._spec = template.spec
        self._identity = docker_options.PodIdentity(
            name=name, namespace=namespace, node=node.name, host_ip=node.address
        )
        self._grace: float | None = None
        self._running: dict[str, RunningContainer] = {}
        self._sandbox = ""
        self.start()

    def start(self) -> None:
        """Start it, for the first time or after its node is up again."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    @property
    def is_ending(self) -> bool:
        """Whether it was deleted."""
        return self._grace is not None

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is left."""
        return self.phase == "Gone"

    def delete(self, grace: float | None = None) -> None:
        """Stop it within `grace` seconds, by default those of its specification."""
        if self._grace is None:
            self._grace = self._spec.grace if grace is None else grace

    def container(self, name: str = "") -> RunningContainer:
        """Return one of its running containers, by default the first one."""
        return self._running[name or self._spec.containers[0].name]

    def exec(self, *command: str, container: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program in one of its containers, by default the first one."""
        return self.container(container).execute(*command)

    def signal(self, name: str) -> None:
        """Send a signal to the program of its first container."""
        docker("kill", f"--signal={name}", self.container().id)

    def lose_power(self) -> None:
        """Kill all its processes at once, as a power failure of its node does; its thread ends."""
        running_container.kill_containers([one.id for one in list(self._running.values())])
        self._thread.join()
        # And those that the thread was about to start.
        running_container.kill_containers([one.id for one in self._running.values()])
        for one in self._running.values():
            self.runs.append(one.describe_run())
            one.remove()
        self._running.clear()
        self._remove_sandbox()

    def join(self) -> None:
        """Wait until its thread has ended: the pod is gone, or its node is down."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._run_containers()
        except _StoppedError:
            if self.node.is_up:
                self._stop_all()
        except Exception as error:
            if self.node.is_up:
                self.phase, self.reason = "Failed", repr(error)
                raise
        if not self.node.is_up:
            self.phase, self.is_ready = "Unknown", False
            for one in self._running.values():
                one.stop_probes()

    def _run_containers(self) -> None:
        volumes = self._create_volumes()
        self._create_sandbox()
        for container in self._spec.init_containers:
            self._run_init_container(container, volumes)
        for container in self._spec.containers:
            self._start_container(container, volumes)
        self.phase = "Running"
        failures = dict.fromkeys(self._running, 0)
        while True:
            self._pause(POLL_INTERVAL)
            for container in self._spec.containers:
                if self._has_ended(container) or self._stopped_as_dead(container):
                    if not self._spec.restarts_containers:
                        self._wait_for_deletion()
                    self._pause(RESTART_DELAYS[min(failures[container.name], len(RESTART_DELAYS) - 1)])
                    failures[container.name] += 1
                    self._start_container(container, volumes)
                    self.restarts += 1
            is_ready = all(one.is_ready for one in self._running.values())
            if is_ready and not self.is_ready:
                self.ready_since = time.time()
            self.is_ready = is_ready

    def _wait_for_deletion(self) -> None:
        """Keep the ended container until the pod is deleted, so that its output can be read."""
        while True:
            self._pause(1.0)

    def _create_volumes(self) -> dict[str, str]:
        while True:
            try:
                return self.node.disk.volumes(self.name, self._spec)
            except MissingError as error:
                self.reason = str(error)
                self._pause(POLL_INTERVAL)

    def _create_sandbox(self) -> None:
        options = docker_options.sandbox_options(self._identity, self._spec)
        pause_image = self.node.runtime.pause_image
        self._sandbox = self._start(options, self.node.network, pause_image, ["sleep", "1000000"])
        address = running_container.container_address(self._sandbox)
        self._identity = replace(self._identity, pod_ip=address)

    def _run_init_container(self, container: Container, volumes: dict[str, str]) -> None:
        """Run an init container until it succeeds."""
        while True:
            self._start_container(container, volumes)
            while not self._has_ended(container):
                self._pause(POLL_INTERVAL)
            run = self.runs[-1]
            if not run.exit_code:
                return
            self.reason = f"{container.name} exited with {run.exit_code}: {run.stderr}"
            if not self._spec.restarts_containers:
                self.phase = "Failed"
            self._pause(RESTART_DELAYS[1])

    def _start_container(self, container: Container, volumes: dict[str, str]) -> None:
        self.is_ready = False
        while (image := self.node.runtime.images.get(container.image)) is None:
            self.reason = f"{container.name}: no image {container.image}"
            self._pause(POLL_INTERVAL)
        options = docker_options.container_options(container, self._identity, self._spec, volumes)
        arguments = docker_options.container_arguments(container, self._identity)
        container_id = self._start(options, f"container:{self._sandbox}", image, arguments)
        self._running[container.name] = RunningContainer(
            container, container_id, self._identity.pod_ip, self.node.runtime
        )

    def _start(self, options: list[str], network: str, image: str, arguments: list[str]) -> str:
        options = [*options, f"--network={network}", f"--label={self.node.runtime.label}"]
        return running_container.start_container(options, image, arguments)

    def _stopped_as_dead(self, container: Container) -> bool:
        """Stop a container whose liveness probe fails; return whether it was stopped."""
        if self._running[container.name].is_alive:
            return False
        self.reason = f"{container.name} failed its liveness probe"
        self._stop(container.name, self._spec.grace / self.node.runtime.speedup)
        return True

    def _has_ended(self, container: Container) -> bool:
        """Return whether a container has ended by itself; if so, record its run."""
        one = self._running[container.name]
        # In this order: a container that dies with the node dies after the node is marked as down.
        if not one.has_ended or not self.node.is_up:
            return False
        self.runs.append(one.describe_run())
        if self._spec.restarts_containers or container in self._spec.init_containers:
            self._running.pop(container.name).remove()
        else:
            self.phase = "Failed" if self.runs[-1].exit_code else "Succeeded"
        return True

    def _stop(self, name: str, grace: float) -> None:
        self.runs.append(self._running[name].stop(grace))
        del self._running[name]

    def _pause(self, seconds: float) -> None:
        """Wait; raise _StoppedError as soon as the pod is deleted or its node is down."""
        end = time.monotonic() + seconds
        while True:
            if self.is_ending or not self.node.is_up:
                raise _StoppedError
            if time.monotonic() >= end:
                return
            time.sleep(min(POLL_INTERVAL, seconds))

    def _stop_all(self) -> None:
        assert self._grace is not None
        self.is_ready = False
        for name, one in list(self._running.items()):
            if one.has_ended:
                self._running.pop(name).remove()
            else:
                self._stop(name, self._grace)
        self._remove_sandbox()
        self.phase = "Gone"

    def _remove_sandbox(self) -> None:
        if self._sandbox:
            docker("rm", "--force", self._sandbox)
            self._sandbox = ""
