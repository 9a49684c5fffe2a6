"""Random numbers from the system, so that the module `random` belongs to the program alone.

A program may have seeded that module. Its next numbers must not depend on our exports, nor our span identifiers on its
seed.
"""

from __future__ import annotations

import random
import sys
from typing import Final

system: Final = random.SystemRandom()
"""Source of random numbers without state, so that a forked child draws its own."""


class SystemIds:
    """An identifier generator for the SDK's tracer providers."""

    def generate_span_id(self) -> int:
        return system.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return system.getrandbits(128) or 1

    def is_trace_id_random(self) -> bool:
        return True


def draw_from_system(*modules: str) -> None:
    """Make modules that import `random` draw from the system."""
    for name in modules:
        module = sys.modules.get(name)
        if module is not None and getattr(module, "random", None) is random:
            vars(module)["random"] = system
