"""Random numbers from the system, which leave those of the module `random` to the program.

A program may have seeded that module: what it draws next must not depend on what is sent, nor the identifiers of spans
on the seed.
"""

from __future__ import annotations

import random
import sys
from typing import Final

system: Final = random.SystemRandom()
"""Has no state: a forked child draws numbers of its own."""


class SystemIds:
    """A generator of identifiers, as the SDK takes them for a tracer provider."""

    def generate_span_id(self) -> int:
        return system.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return system.getrandbits(128) or 1

    def is_trace_id_random(self) -> bool:
        return True


def draw_from_system(*modules: str) -> None:
    """Have modules that import `random` draw from the system."""
    for name in modules:
        module = sys.modules.get(name)
        if module is not None and getattr(module, "random", None) is random:
            vars(module)["random"] = system
