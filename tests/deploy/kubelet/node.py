"""A node: a network with an address of its own, a disk, labels, and the pods that were given to it."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.deploy.kubelet.deaths import Deaths
    from tests.deploy.kubelet.disks import Disk
    from tests.deploy.kubelet.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What all nodes run containers with."""

    label: str
    """Of each container."""
    deaths: Deaths
    images: Mapping[str, str]
    """Those that a node has: what the engine calls them."""
    pause_image: str
    """Of sandboxes."""
    haste: float
    """What periods of probes, and the grace of who fails them, are divided by."""


class Node:
    """One machine of a cluster, whose kubelet the pods' own threads are."""

    def __init__(self, name: str, address: str, network: str, disk: Disk, runtime: Runtime) -> None:
        """Begin without pods."""
        self.name = name
        self.address = address
        self.network = network
        self.disk = disk
        self.runtime = runtime
        self.is_up = True
        self.marks = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name}
        """Its own labels."""
        self.pods: list[Pod] = []

    def has(self, selector: Mapping[str, str]) -> bool:
        """Whether it has these labels."""
        return selector.items() <= self.marks.items()

    def die(self) -> None:
        """Lose the power: every process is gone at once, the disk stays."""
        self.is_up = False
        with ThreadPoolExecutor(max(1, len(self.pods))) as pool:
            list(pool.map(lambda pod: pod.fail(), self.pods))

    def come_back(self) -> None:
        """Boot: its pods are started again, with new sandboxes, under their names."""
        self.is_up = True
        for pod in self.pods:
            pod.restarts += 1
            pod.begin()


def make_network(name: str, label: str) -> tuple[str, str]:
    """Make a network that nobody has; give its name and the address of its gateway, which is the node's."""
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
