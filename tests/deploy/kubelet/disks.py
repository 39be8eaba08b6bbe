"""Volumes on the disk of a node, or on a disk that all nodes share, created as a kubelet creates them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.deploy.kubelet.podspec import PodSpec, Volume


class MissingError(Exception):
    """A volume is missing; the text says which."""


class Disk:
    """The disk of a node."""

    def __init__(self, root: Path, claims: Path, files: Callable[[str], Mapping[str, str]]) -> None:
        """Create the folders of a node; `claims` is the shared disk, `files` returns a ConfigMap's data."""
        self.root = root
        self._claims = claims
        self._files = files
        for path in ("var/log", "var/lib", "var/lib/kubelet"):
            (root / path).mkdir(parents=True, exist_ok=True)

    def path(self, path: str) -> Path:
        """Return the location of a path of the node."""
        return self.root / path.lstrip("/")

    def volumes(self, pod: str, spec: PodSpec) -> dict[str, str]:
        """Create the volumes of a pod that do not exist yet. Raises MissingError."""
        return {volume.name: str(self._volume(pod, volume, spec.fs_group)) for volume in spec.volumes}

    def _volume(self, pod: str, volume: Volume, group: int | None) -> Path:
        own = self.root / "var/lib/kubelet" / pod / volume.name
        match volume.kind:
            case "hostPath":
                return self._host_path(volume)
            case "emptyDir":
                own.mkdir(parents=True, exist_ok=True)
                own.chmod(0o777)
                if group is not None:
                    os.chown(own, -1, group)
                    own.chmod(0o777 | stat.S_ISGID)
                return own
            case "configMap":
                own.mkdir(parents=True, exist_ok=True)
                for name, text in self._files(volume.source).items():
                    (own / name).write_text(text)
                return own
        claim = self._claims / volume.source
        if not claim.is_dir():
            raise MissingError(f"persistentvolumeclaim {volume.source!r} not found")
        return claim

    def _host_path(self, volume: Volume) -> Path:
        path = self.path(volume.source)
        if not path.is_dir():
            if volume.must_exist:
                raise MissingError(f"hostPath {volume.source} is not a directory")
            path.mkdir(parents=True)
            path.chmod(0o755)
        return path
