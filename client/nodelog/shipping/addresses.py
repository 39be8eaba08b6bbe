"""Where the collector of this node is: Kubernetes tells a pod, if its manifest asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_HOST: Final = (
    "no collector to send to: the variable HOST_IP is missing; add to the container in the pod's manifest: "
    "env: [{name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}], or give"
)
"""And then how to."""


class NoHostError(ValueError):
    """Nobody said where the collector is."""


def addresses(host: str | None, env: Mapping[str, str]) -> tuple[str, ...]:
    """List where to try: `host` if there is one, else HOST_IP and each of HOST_IPS (a node may have two)."""
    if host:
        return (host,)
    found = [env.get("HOST_IP", ""), *env.get("HOST_IPS", "").split(",")]
    distinct = tuple(dict.fromkeys(address.strip() for address in found if address.strip()))
    if not distinct:
        raise NoHostError(f"{NO_HOST} a host")
    return distinct
