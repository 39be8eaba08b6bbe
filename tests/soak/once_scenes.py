"""What happens to the collector, about every second, while clients with spools send to it: a table."""

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
class Place:
    """A collector, and what a scene may do something to."""

    logd: Logd
    disk: SmallDisk | None = None
    faults: Faults | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One of them."""

    name: str
    happens: Callable[[Place], None]
    """Ends the collector in some way, and starts it again; returns when it listens."""
    options: tuple[str, ...] = ()
    """Of logd."""
    on_small_disk: bool = False
    under_faults: bool = False
    weather: NetworkFaults | None = None
    """With a proxy in between."""


def killed(place: Place) -> None:
    """Let no moment be a good one."""
    place.logd.kill()
    place.logd.restart(ready=False)


def terminated(place: Place) -> None:
    """Let it end in peace, which has to be with exit code 0."""
    place.logd.restart(ready=False)


def filled(place: Place) -> None:
    """Fill its disk, kill it when it cannot write, start it on the full disk, and make room again."""
    disk = place.disk
    assert disk is not None
    place.logd.wait_ready()

    def is_full() -> bool:
        disk.fill()  # what logd has compressed meanwhile leaves room
        return "No space left on device" in _why_not_ready(place.logd)

    wait_for(is_full, "the disk is full")
    place.logd.kill()
    place.logd.restart(ready=False)
    disk.clear()


def unsynced(place: Place) -> None:
    """Fail a sync that clients wait for, let it go on from that, then kill it."""
    assert place.faults is not None
    place.logd.wait_ready()
    place.faults.fail_once(place.logd, "posix/io/sync/fdatasync", errno.EIO)
    wait_for(lambda: place.logd.metric("nodelog_write_failures_total") > 0, "a sync has failed")
    place.logd.wait_ready()
    killed(place)


def _why_not_ready(logd: Logd) -> str:
    status, page = logd.readyz()
    return " ".join(page["reasons"].values()) if status != 200 else ""


SCENES = (
    Scene(name="kill", happens=killed),
    Scene(name="kill-batch", happens=killed, options=("--sync=batch",)),
    Scene(name="sigterm", happens=terminated),
    Scene(name="full", happens=filled, on_small_disk=True),
    Scene(name="fdatasync", happens=unsynced, options=("--sync=batch",), under_faults=True),
    Scene(name="proxy", happens=killed, weather=NetworkFaults()),
)
