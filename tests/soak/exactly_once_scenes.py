"""The scenes of the exactly-once test: what happens to the collector about every second."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.faulty_proxy import NetworkFaults
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.libfiu import Faults
    from tests.faults.mounts import SmallDisk
    from tests.processes.logd import Logd


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The collector, and its disk and fault injection if the scene uses them."""

    logd: Logd
    disk: SmallDisk | None = None
    faults: Faults | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A kind of disturbance."""

    name: str
    restart: Callable[[Target], None]
    """Ends the collector in some way and restarts it; returns once it listens."""
    options: tuple[str, ...] = ()
    """Options of logd."""
    on_small_disk: bool = False
    under_faults: bool = False
    network_faults: NetworkFaults | None = None
    """Faults of a proxy between clients and collector."""


def kill(target: Target) -> None:
    """Kill it, at whatever moment."""
    target.logd.kill()
    target.logd.restart(ready=False)


def terminate(target: Target) -> None:
    """Stop it with SIGTERM; it must exit with code 0."""
    target.logd.restart(ready=False)


def fill_disk(target: Target) -> None:
    """Fill its disk, kill it once it cannot write, restart it on the full disk, and free the space again."""
    disk = target.disk
    assert disk is not None
    target.logd.wait_ready()

    def is_full() -> bool:
        disk.fill()  # again: logd frees space when it compresses
        return "No space left on device" in _not_ready_text(target.logd)

    wait_for(is_full, "the disk is full")
    target.logd.kill()
    target.logd.restart(ready=False)
    disk.clear()


def fail_sync(target: Target) -> None:
    """Fail a sync that clients wait for, let the collector recover, then kill it."""
    assert target.faults is not None
    target.logd.wait_ready()
    target.faults.fail_once(target.logd, "posix/io/sync/fdatasync", errno.EIO)
    wait_for(lambda: target.logd.metric("nodelog_write_failures_total") > 0, "a sync has failed")
    target.logd.wait_ready()
    kill(target)


def _not_ready_text(logd: Logd) -> str:
    status, page = logd.readyz()
    return " ".join(page["reasons"].values()) if status != 200 else ""


SCENES = (
    Scene(name="kill", restart=kill),
    Scene(name="kill-batch", restart=kill, options=("--sync=batch",)),
    Scene(name="sigterm", restart=terminate),
    Scene(name="full", restart=fill_disk, on_small_disk=True),
    Scene(name="fdatasync", restart=fail_sync, options=("--sync=batch",), under_faults=True),
    Scene(name="proxy", restart=kill, network_faults=NetworkFaults()),
)
