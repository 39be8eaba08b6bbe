"""A node: a network with its own address, a disk, labels, and the pods assigned to it."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.deploy.kubelet.container_exits import ContainerExits
    from tests.deploy.kubelet.disks import Disk
    from tests.deploy.kubelet.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What all nodes share to run containers."""

    label: str
    """The Docker label of every container."""
    exits: ContainerExits
    images: Mapping[str, str]
    """The images that a node has, with their names in the engine."""
    pause_image: str
    """The image of the sandboxes."""
    speedup: float
    """The periods of probes, and the grace of containers that fail them, are divided by this."""


class Node:
    """One machine of a cluster; the threads of its pods act as its kubelet."""

    def __init__(self, name: str, address: str, network: str, disk: Disk, runtime: Runtime) -> None:
        """Start without pods."""
        self.name = name
        self.address = address
        self.network = network
        self.disk = disk
        self.runtime = runtime
        self.is_up = True
        self.labels = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name}
        """Its labels."""
        self.pods: list[Pod] = []

    def matches(self, selector: Mapping[str, str]) -> bool:
        """Return whether it has these labels."""
        return selector.items() <= self.labels.items()

    def power_off(self) -> None:
        """Lose power: every process is gone at once, the disk stays."""
        self.is_up = False
        with ThreadPoolExecutor(max(1, len(self.pods))) as pool:
            list(pool.map(lambda pod: pod.lose_power(), self.pods))

    def power_on(self) -> None:
        """Boot: its pods are started again under their names, with new sandboxes."""
        self.is_up = True
        for pod in self.pods:
            pod.restarts += 1
            pod.start()


def create_network(name: str, label: str) -> tuple[str, str]:
    """Create a network in a free range; return its name and its gateway, which is the address of the node."""
    for number in range(1, 255):
        address = f"198.18.{number}.1"
        run = subprocess.run(
            ["docker", "network", "create", f"--label={label}", f"--subnet=198.18.{number}.0/24",
             f"--gateway={address}", name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if not run.returncode:
            return name, address
        if "overlaps" not in run.stderr:
            pytest.fail(run.stderr)
    pytest.fail("198.18.0.0/16 has no network left")
