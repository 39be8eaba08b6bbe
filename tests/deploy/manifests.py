"""The files in `deploy/`, read as Kubernetes and Compose read them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE = ROOT / "deploy" / "compose.yaml"
KUBERNETES = ROOT / "deploy" / "kubernetes"
PROGRAMS = Path(sys.executable).parent
FILES = sorted(KUBERNETES.glob("log*.yaml"))
COMPONENTS = sorted(path.parent.name for path in KUBERNETES.glob("components/*/kustomization.yaml"))
FIRST = ("node-agent", "shared-volume", "cronjob")
"""Components that others build on, in this order; the others may come in any order."""


def mix(*names: str) -> tuple[str, ...]:
    """Return these components, and those they build on, in an order that works."""
    wanted = {*names} | ({"shared-volume"} if "cronjob" in names else set())
    return (*(name for name in FIRST if name in wanted), *sorted(wanted - {*FIRST}))


MIXES = list(
    dict.fromkeys(
        mix(*names) for size in (0, 1, 2, len(COMPONENTS)) for names in combinations(COMPONENTS, size)
    )
)
"""No component, each one, each pair, and all."""

Object = dict[str, Any]


def loaded(path: Path) -> Object:
    """Read a file that holds one object."""
    (found,) = yaml.safe_load_all(path.read_text())
    assert isinstance(found, dict)
    return found


@functools.cache
def rendered(components: tuple[str, ...]) -> list[Object]:
    """Return the objects that kustomize builds with these components."""
    run = kustomize(*components)
    assert (run.returncode, run.stderr) == (0, "")
    return list(yaml.safe_load_all(run.stdout))


def kustomize(*components: str) -> subprocess.CompletedProcess[str]:
    """Run `kubectl kustomize` on a folder that uses ours, as a user's does."""
    with TemporaryDirectory() as folder:
        base = os.path.relpath(KUBERNETES, Path(folder).resolve())
        wanted = {"resources": [base], "components": [f"{base}/components/{name}" for name in components]}
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(wanted))
        return subprocess.run(
            [PROGRAMS / "kubectl", "kustomize", folder], capture_output=True, text=True, check=False
        )


def pod(found: Object) -> Object | None:
    """Return the specification of the pods that an object creates, or None."""
    spec: Object = found.get("spec", {})
    if found["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Object | None = spec.get("template")
    return template["spec"] if template else None


def containers(spec: Object) -> Iterator[Object]:
    """Yield the containers of a pod, init containers first."""
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def command(container: Object) -> list[str]:
    """Return program and options of a container of Kubernetes or Compose."""
    if "image" in container and "name" in container:
        return [*container["command"], *container.get("args", [])]
    return [*container.get("entrypoint", ["logd"]), *container.get("command", [])]
