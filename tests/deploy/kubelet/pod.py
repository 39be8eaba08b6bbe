"""A pod on its node: started, probed, started again, ended, as a kubelet does it, in a thread of its own.

Its network belongs to a container of its own, the sandbox, which does nothing else. So the address of the pod
and its host ports stay while its containers come and go.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.deploy.docker import docker
from tests.deploy.kubelet import running, settings
from tests.deploy.kubelet.disks import MissingError

if TYPE_CHECKING:
    import subprocess

    from tests.deploy.kubelet.node import Node
    from tests.deploy.kubelet.objects import Key, Template
    from tests.deploy.kubelet.podspec import Container

TICK = 0.05  # seconds
PAUSES = (0.0, 1.0, 2.0, 4.0)
"""Seconds before a container is started again; a kubelet begins with 0, too, and goes on with 10."""


class _OverError(Exception):
    """The pod is to end, or its node is down."""


class Pod:
    """A pod that was given to a node; it goes through the phases that kubectl shows."""

    def __init__(
        self, name: str, namespace: str, template: Template, node: Node, *, owner: Key | None
    ) -> None:
        """Begin with it."""
        self.name = name
        self.namespace = namespace
        self.labels = template.labels
        self.revision = template.revision
        self.owner = owner
        self.node = node
        self.phase = "Pending"
        self.reason = ""
        self.is_ready = False
        self.ready_since = 0.0
        """Seconds since 1970."""
        self.restarts = 0
        self.lives: list[running.Life] = []
        """Of its containers, those that have ended."""
        self._spec = template.spec
        place = {"namespace": namespace, "node": node.name, "host_ip": node.address}
        self._identity = settings.Identity(name=name, **place)
        self._grace: float | None = None
        self._running: dict[str, running.Running] = {}
        self._sandbox = ""
        self.begin()

    def begin(self) -> None:
        """Start it, for the first time or after its node has come back."""
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
        """Have it end, within so many seconds, or those that its specification gives."""
        if self._grace is None:
            self._grace = self._spec.grace if grace is None else grace

    def container(self, name: str = "") -> running.Running:
        """Give one of its containers that runs, the first one of them by default."""
        return self._running[name or self._spec.containers[0].name]

    def exec(self, *command: str, container: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program in it."""
        return self.container(container).execute(*command)

    def signal(self, name: str) -> None:
        """Send a signal to the program of its first container."""
        docker("kill", f"--signal={name}", self.container().number)

    def fail(self) -> None:
        """Lose all its processes at once, as its node does; its thread ends."""
        running.kill([one.number for one in list(self._running.values())])
        self._thread.join()
        running.kill([one.number for one in self._running.values()])  # and those it was about to start
        for one in self._running.values():
            self.lives.append(one.life())
            one.remove()
        self._running.clear()
        self._remove_sandbox()

    def join(self) -> None:
        """Return once its thread has ended: it is gone, or its node is."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._live()
        except _OverError:
            if self.node.is_up:
                self._end()
        except Exception as error:
            if self.node.is_up:
                self.phase, self.reason = "Failed", repr(error)
                raise
        if not self.node.is_up:
            self.phase, self.is_ready = "Unknown", False
            for one in self._running.values():
                one.leave_alone()

    def _live(self) -> None:
        volumes = self._volumes()
        self._make_sandbox()
        for container in self._spec.before:
            self._until_done(container, volumes)
        for container in self._spec.containers:
            self._start(container, volumes)
        self.phase = "Running"
        failures = dict.fromkeys(self._running, 0)
        while True:
            self._pause(TICK)
            for container in self._spec.containers:
                if self._ended(container) or self._hangs(container):
                    if not self._spec.restarts:
                        self._rest()
                        return
                    self._pause(PAUSES[min(failures[container.name], len(PAUSES) - 1)])
                    failures[container.name] += 1
                    self._start(container, volumes)
                    self.restarts += 1
            is_ready = all(one.is_ready for one in self._running.values())
            if is_ready and not self.is_ready:
                self.ready_since = time.time()
            self.is_ready = is_ready

    def _rest(self) -> None:
        """Wait until it is deleted; its last words can be read until then."""
        while True:
            self._pause(1.0)

    def _volumes(self) -> dict[str, str]:
        while True:
            try:
                return self.node.disk.volumes(self.name, self._spec)
            except MissingError as trouble:
                self.reason = str(trouble)
                self._pause(TICK)

    def _make_sandbox(self) -> None:
        options = [f"--network={self.node.network}", f"--label={self.node.runtime.label}"]
        self._sandbox = running.start(
            [*options, *settings.sandbox(self._identity, self._spec)],
            self.node.runtime.pause_image,
            ["sleep", "1000000"],
        )
        self._identity = replace(self._identity, pod_ip=running.address(self._sandbox))

    def _until_done(self, container: Container, volumes: dict[str, str]) -> None:
        """Run a container that comes before the others until it succeeds."""
        while True:
            self._start(container, volumes)
            while not self._ended(container):
                self._pause(TICK)
            if not self.lives[-1].code:
                return
            self.reason = f"{container.name} exited with {self.lives[-1].code}: {self.lives[-1].said}"
            if not self._spec.restarts:
                self.phase = "Failed"
            self._pause(PAUSES[1])

    def _start(self, container: Container, volumes: dict[str, str]) -> None:
        self.is_ready = False
        while (image := self.node.runtime.images.get(container.image)) is None:
            self.reason = f"{container.name}: no image {container.image}"
            self._pause(TICK)
        options = settings.options(container, self._identity, self._spec, volumes)
        options += [f"--network=container:{self._sandbox}", f"--label={self.node.runtime.label}"]
        number = running.start(options, image, settings.arguments(container, self._identity))
        self._running[container.name] = running.Running(
            container, number, self._identity.pod_ip, self.node.runtime
        )

    def _hangs(self, container: Container) -> bool:
        """Say whether its liveness probe is not content; then the container is ended."""
        if self._running[container.name].is_alive:
            return False
        self.reason = f"{container.name} failed its liveness probe"
        self._stop(container.name, self._spec.grace / self.node.runtime.haste)
        return True

    def _ended(self, container: Container) -> bool:
        one = self._running[container.name]
        # In this order: what died with the node died after it was down.
        if not one.has_ended or not self.node.is_up:
            return False
        self.lives.append(one.life())
        if self._spec.restarts or container in self._spec.before:
            self._running.pop(container.name).remove()
        else:
            self.phase = "Failed" if self.lives[-1].code else "Succeeded"
        return True

    def _stop(self, name: str, grace: float) -> None:
        self.lives.append(self._running[name].stop(grace))
        del self._running[name]

    def _pause(self, seconds: float) -> None:
        """Wait; raise _OverError as soon as it is over."""
        end = time.monotonic() + seconds
        while True:
            if self.is_ending or not self.node.is_up:
                raise _OverError
            if time.monotonic() >= end:
                return
            time.sleep(min(TICK, seconds))

    def _end(self) -> None:
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
