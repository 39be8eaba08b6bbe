"""The collectors that are compared, and how each is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.places import KEPT, Place, attempt, found, says
from tests.bench.rivals import (
    SYSLOG_NG_ENVIRONMENT,
    fluent_bit,
    fluent_bit_path,
    imrelp,
    rsyslog,
    rsyslogd,
    syslog_ng,
    syslog_ng_version,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A collector."""

    name: str
    version: Callable[[], str]  # or why it cannot be had: raises Missing
    command: Callable[[Place], list[str]]
    volume: int = GIB // 8
    """Bytes to send it in blocks, so that a run takes a few seconds."""
    rotates: bool = False
    """True if its lines are in many files: its metrics say how much it has written, else the file's size."""
    speaks: tuple[str, ...] = ()
    """How the generator is to speak to it, if not in plain lines."""
    most: int = 1 << 20
    """Connections that it is asked to take."""
    environment: Mapping[str, str] | None = None


def _logd(*options: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        ports = [f"--listen=127.0.0.1:{place.port}", f"--http=127.0.0.1:{place.http}"]
        return [str(Path(sys.executable).with_name("logd")), f"--log={place.log}", *ports, *options]

    return command


def _logd_version() -> str:
    return says(str(Path(sys.executable).with_name("logd")), "--version")


@cache
def _bound() -> str:
    """Compile the bound; give its path. Raises Missing."""
    source, program = Path(__file__).with_name("bound.c"), KEPT / "bound"
    KEPT.mkdir(parents=True, exist_ok=True)
    compiler = found("cc", "apt-get install gcc libc6-dev")
    attempt("bound.c cannot be compiled", compiler, "-O2", "-o", program, source)
    return str(program)


def _bound_version() -> str:
    return f"{Path(_bound()).name}, {says(found('cc', ''), '--version')}"


def _nc(place: Place) -> list[str]:
    loop = f"exec {_busybox()} nc -ll -p {place.port} -e sh -c 'cat >> {place.log}'"
    return ["sh", "-c", loop]


def _busybox() -> str:
    return found("busybox", "apt-get install busybox")


ONE_FILE = "--rotate-size=1TiB"  # else as by default; the others do not rotate and compress either
SYSTEMS = (
    System(name="logd", version=_logd_version, command=_logd(ONE_FILE), volume=GIB),
    System(name="logd, gzip", version=_logd_version, command=_logd("--sync=batch", "--rotate-size=64MiB"),
           volume=GIB, rotates=True),
    System(name="RELP, interval", version=_logd_version, command=_logd(ONE_FILE, "--sync=interval=1s"),
           volume=GIB, speaks=("--protocol=relp",)),
    System(name="RELP, batch", version=_logd_version, command=_logd(ONE_FILE, "--sync=batch"), volume=GIB,
           speaks=("--protocol=relp",)),
    System(name="imrelp", version=lambda: says(rsyslogd(), "-v"), command=imrelp, volume=GIB // 16,
           speaks=("--protocol=relp", "--frames=syslog")),
    System(name="C bound", version=_bound_version, command=lambda p: [_bound(), str(p.port), str(p.log)],
           volume=GIB),
    System(name="rsyslog", version=lambda: says(rsyslogd(), "-v"), command=rsyslog),
    System(name="syslog-ng", version=syslog_ng_version, command=syslog_ng,
           environment=SYSLOG_NG_ENVIRONMENT),
    System(name="Fluent Bit", version=lambda: says(fluent_bit_path(), "--version"), command=fluent_bit),
    System(name="nc, cat", version=lambda: says(_busybox()), command=_nc, volume=GIB,
           most=64),
)  # fmt: skip
