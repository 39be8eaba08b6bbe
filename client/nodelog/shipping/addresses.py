"""The address of the node's collector: Kubernetes passes it to a pod if the pod's manifest asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_HOST_MESSAGE: Final = (
    "no collector to send to: the variable HOST_IP is missing; add to the container in the pod's manifest: "
    "env: [{name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}], or set"
)
"""It continues with how the caller sets a host."""


class NoHostError(ValueError):
    """Neither the program nor the environment names a collector."""


def collector_addresses(host: str | None, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses to try: `host` if set, else HOST_IP and each of HOST_IPS (a node may have two).

    Raises NoHostError if there is none, and ValueError for a text that cannot be an address.
    """
    candidates = [host] if host else [env.get("HOST_IP", ""), *env.get("HOST_IPS", "").split(",")]
    distinct = tuple(dict.fromkeys(address.strip() for address in candidates if address.strip()))
    if not distinct:
        raise NoHostError(f"{NO_HOST_MESSAGE} a host")
    return tuple(map(checked_address, distinct))


def checked_address(address: str) -> str:
    """Return `address` unchanged. Raises ValueError if it can be neither an address nor a host name."""
    try:
        address.encode("idna")  # as the resolver will do later, where this error would be a surprise
    except UnicodeError:
        raise ValueError(f"{address!r} is not an address or a host name") from None
    return address
