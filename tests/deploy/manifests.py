"""What is in `deploy/`, as Kubernetes and Compose read it."""

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
"""Components on which others build; these come in this order, the others in any."""


def mix(*names: str) -> tuple[str, ...]:
    """Put components into an order in which they work, with what they build on."""
    wanted = {*names} | ({"shared-volume"} if "cronjob" in names else set())
    return (*(name for name in FIRST if name in wanted), *sorted(wanted - {*FIRST}))


MIXES = list(
    dict.fromkeys(
        mix(*names) for size in (0, 1, 2, len(COMPONENTS)) for names in combinations(COMPONENTS, size)
    )
)
"""None, each, each with each other, and all."""

Object = dict[str, Any]


def loaded(path: Path) -> Object:
    """Read a file that holds one object."""
    (found,) = yaml.safe_load_all(path.read_text())
    assert isinstance(found, dict)
    return found


@functools.cache
def rendered(components: tuple[str, ...]) -> list[Object]:
    """Have kustomize put everything together, with these components."""
    run = kustomize(*components)
    assert (run.returncode, run.stderr) == (0, "")
    return list(yaml.safe_load_all(run.stdout))


def kustomize(*components: str) -> subprocess.CompletedProcess[str]:
    """Run it on a folder of the user's own."""
    with TemporaryDirectory() as folder:
        base = os.path.relpath(KUBERNETES, Path(folder).resolve())
        wanted = {"resources": [base], "components": [f"{base}/components/{name}" for name in components]}
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(wanted))
        return subprocess.run(
            [PROGRAMS / "kubectl", "kustomize", folder], capture_output=True, text=True, check=False
        )


def pod(found: Object) -> Object | None:
    """Return the specification of the pods that an object makes, if it makes any."""
    spec: Object = found.get("spec", {})
    if found["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Object | None = spec.get("template")
    return template["spec"] if template else None


def containers(spec: Object) -> Iterator[Object]:
    """Go through the containers of a pod, those of its start first."""
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def command(container: Object) -> list[str]:
    """Return program and options of a container, of Kubernetes or Compose."""
    if "image" in container and "name" in container:
        return [*container["command"], *container.get("args", [])]
    return [*container.get("entrypoint", ["logd"]), *container.get("command", [])]
