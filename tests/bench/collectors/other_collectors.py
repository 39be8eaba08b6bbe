"""Other collectors, each configured for speed as its documentation advises; none parses the lines."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from tests.bench.workspace import CACHE, Unavailable, Workspace, find_program, run_setup, version_line

if TYPE_CHECKING:
    from collections.abc import Mapping

# -- rsyslog, imptcp --

_RSYSLOG = """
global(workDirectory="{folder}" net.enableDNS="off")
main_queue(queue.type="FixedArray" queue.size="500000" queue.dequeueBatchSize="4096")
module(load="imptcp" threads="2")
template(name="raw" type="string" string="%rawmsg%\\n")
input(type="imptcp" address="127.0.0.1" port="{port}" socketBacklog="4096" ruleset="file")
ruleset(name="file" queue.type="FixedArray" queue.size="500000" queue.dequeueBatchSize="4096") {{
    action(type="omfile" file="{log}" template="raw" asyncWriting="on" ioBufferSize="256k"
           flushInterval="1" flushOnTXEnd="off")
}}
"""


_INPUT = 'module(load="imptcp" threads="2")', 'type="imptcp"', 'socketBacklog="4096" '
_RELP = 'module(load="imrelp")', 'type="imrelp"', ""


def imrelp(place: Workspace) -> list[str]:
    """Return the command of rsyslog with its RELP server instead of imptcp."""
    return rsyslog(place, dict(zip(_INPUT, _RELP, strict=True)))


def rsyslog(place: Workspace, changes: Mapping[str, str] | None = None) -> list[str]:
    text = _RSYSLOG
    for old, new in (changes or {}).items():
        text = text.replace(old, new)
    configuration = place.folder / "rsyslog.conf"
    configuration.write_text(text.format(folder=place.folder, port=place.port, log=place.log))
    return [rsyslogd(), "-n", "-f", str(configuration), "-i", str(place.folder / "pid")]


def rsyslogd() -> str:
    return find_program("rsyslogd", "apt-get install rsyslog")


# -- syslog-ng, unpacked, since it cannot be installed beside rsyslog --

_SYSLOG_NG = """
@version: 3.38
options {{ stats-freq(0); use-dns(no); dns-cache(no); keep-hostname(yes); threaded(yes); }};
source s {{
    network(ip("127.0.0.1") port({port}) transport("tcp") flags(no-parse) max-connections({connections})
            log-iw-size({window}) log-fetch-limit(1000) listen-backlog(4096));
}};
destination d {{
    file("{log}" template("${{MSG}}\\n") flush-lines(1000) log-fifo-size({fifo}));
}};
log {{ source(s); destination(d); flags(flow-control); }};
"""
_PACKAGES = ("syslog-ng-core", "libivykis0", "libnet1", "libwrap0", "libjson-c5", "libpcre3", "libglib2.0-0")
_UNPACKED = CACHE / "syslog-ng"
_LIBRARIES = _UNPACKED / "usr" / "lib"
_MULTIARCH = f"{os.uname().machine}-linux-gnu"
SYSLOG_NG_ENVIRONMENT = {
    "LD_LIBRARY_PATH": f"{_LIBRARIES}/syslog-ng:{_LIBRARIES}/{_MULTIARCH}:{_UNPACKED}/lib/{_MULTIARCH}"
}


def syslog_ng(place: Workspace) -> list[str]:
    connections = place.connections + 10
    window = 200 * connections
    configuration = place.folder / "syslog-ng.conf"
    configuration.write_text(
        _SYSLOG_NG.format(
            port=place.port, connections=connections, window=window, fifo=2 * window, log=place.log
        )
    )
    own = {name: place.folder / name for name in ("persist-file", "pidfile", "control")}
    return [
        str(_UNPACKED / "usr/sbin/syslog-ng"),
        "--foreground",
        "--no-caps",
        f"--cfgfile={configuration}",
        f"--module-path={_LIBRARIES}/syslog-ng/3.38",
        *(f"--{name}={path}" for name, path in own.items()),
    ]


@cache
def syslog_ng_version() -> str:
    if not _UNPACKED.exists():
        fresh = _UNPACKED.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        find_program("apt-get", "syslog-ng is unpacked from Debian's packages")
        run_setup("cannot download its packages", "apt-get", "download", *_PACKAGES, folder=fresh)
        for package in fresh.glob("*.deb"):
            run_setup("cannot unpack its packages", "dpkg-deb", "--extract", package, fresh)
        fresh.rename(_UNPACKED)
    program = str(_UNPACKED / "usr/sbin/syslog-ng")
    try:
        return version_line(program, "--version", environment=SYSLOG_NG_ENVIRONMENT)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"syslog-ng does not run here: {error}") from None


# -- Fluent Bit --

_FLUENT_BIT = """
[SERVICE]
    flush 1
    grace 5
[INPUT]
    name tcp
    listen 127.0.0.1
    port {port}
    format none
    separator \\n
    buffer_size 1024
    chunk_size 256
[OUTPUT]
    name file
    match *
    path {folder}
    file {file}
    format template
    template {{log}}
"""


def fluent_bit(place: Workspace) -> list[str]:
    configuration = place.folder / "fluent-bit.conf"
    configuration.write_text(
        _FLUENT_BIT.format(port=place.port, folder=place.log.parent, file=place.log.name)
    )
    return [fluent_bit_path(), "--quiet", f"--config={configuration}"]


def fluent_bit_path() -> str:
    return find_program("fluent-bit", "Debian has no package for it; fluentbit.io has one")
