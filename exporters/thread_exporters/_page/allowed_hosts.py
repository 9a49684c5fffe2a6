"""The names under which the metrics page may be asked for."""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final


class AllowedHosts:
    """Tells names that the page may be asked for from those that it may not.

    A web site can have its own name lead to an address of the visitor's network, and so make the browser read what is
    there ("DNS rebinding"). What the browser then sends as `Host` is that name. Addresses are always allowed, for no
    site is called like one. On a loopback address only the names of this machine are, else any, unless `allowed` says
    otherwise: names, `*.example.org` for all below one, or `*` for all.
    """

    def __init__(self, allowed: Collection[str] | None, own_name: str) -> None:
        self._allowed: Final = None if allowed is None else frozenset(map(_normal, allowed))
        self._own_names: Final = frozenset(map(_normal, ("localhost", own_name, socket.gethostname())))

    def allow(self, host: str, address: str) -> bool:
        """Whether `host`, with or without a port, may be asked for at that address of ours."""
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
