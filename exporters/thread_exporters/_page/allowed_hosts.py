"""The host names by which clients may request the metrics page."""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final


class AllowedHosts:
    """A set of host names that protects the page against DNS rebinding.

    A web site can point its own name at an address in the visitor's network and so make the browser read pages there.
    The browser then sends that name as `Host`. Addresses are always allowed, because no site has one as its name.
    Without `allowed`, only the names of this machine are allowed on a loopback address, and any name elsewhere.
    `allowed` holds names, `*.example.org` for everything below a domain, or `*` for any name.
    """

    def __init__(self, allowed: Collection[str] | None, own_name: str) -> None:
        self._allowed: Final = None if allowed is None else frozenset(map(_normal, allowed))
        self._own_names: Final = frozenset(map(_normal, ("localhost", own_name, socket.gethostname())))

    def allow(self, host: str, address: str) -> bool:
        """Check if clients may request `host`, with or without a port, at this address of ours."""
        name = _normal(_without_port(host))
        if _is_address(name) or name in self._own_names or name.endswith(".localhost"):
            return True
        if self._allowed is None:
            return not _is_loopback(address)
        return bool(self._allowed & {name, "*", *_patterns(name)})


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdecimal() or not port) else host


def _normal(name: str) -> str:
    return name.strip().lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return _is_address(address) and ip_address(address).is_loopback


def _patterns(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(["*", *labels[index:]]) for index in range(1, len(labels))]
