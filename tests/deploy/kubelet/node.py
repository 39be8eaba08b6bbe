"""A node: a network with an address of its own, a disk, labels, and the pods that were given to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.deploy.kubelet.deaths import Deaths
    from tests.deploy.kubelet.disks import Disk
    from tests.deploy.kubelet.pod import Pod


class Node:
    """One machine of a cluster, whose kubelet the pods' own threads are."""

    def __init__(
        self,
        name: str,
        address: str,
        *,
        network: str,
        label: str,
        disk: Disk,
        deaths: Deaths,
        images: Mapping[str, str],
        pause_image: str,
        haste: float,
    ) -> None:
        """Begin without pods; `images` says what the engine calls those that the node has."""
        self.name = name
        self.address = address
        self.network = network
        self.labels = [f"--label={label}"]  # of its containers
        self.disk = disk
        self.deaths = deaths
        self.images = images
        self.pause_image = pause_image
        self.haste = haste
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
        for pod in self.pods:
            pod.join()

    def come_back(self) -> None:
        """Boot: its pods are started again, with new sandboxes, under their names."""
        self.is_up = True
        for pod in self.pods:
            pod.restarts += 1
            pod.begin()
