"""Where the collector of this node is: Kubernetes tells a pod, if its manifest asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_HOST_MESSAGE: Final = (
    "no collector to send to: the variable HOST_IP is missing; add to the container in the pod's manifest: "
    "env: [{name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}], or give"
)
"""And then how to."""


class NoHostError(ValueError):
    """Nobody said where the collector is."""


def collector_addresses(host: str | None, env: Mapping[str, str]) -> tuple[str, ...]:
    """List where to try: `host` if there is one, else HOST_IP and each of HOST_IPS (a node may have two).

    Raises NoHostError, and ValueError for what cannot be one.
    """
    found = [host] if host else [env.get("HOST_IP", ""), *env.get("HOST_IPS", "").split(",")]
    distinct = tuple(dict.fromkeys(address.strip() for address in found if address.strip()))
    if not distinct:
        raise NoHostError(f"{NO_HOST_MESSAGE} a host")
    return tuple(map(checked_address, distinct))


def checked_address(address: str) -> str:
    """Give it back. Raises ValueError for what can be neither an address nor a name."""
    try:
        address.encode("idna")  # what the resolver will do with it, where nobody expects this error
    except UnicodeError:
        raise ValueError(f"{address!r} is not an address or a host's name") from None
    return address
