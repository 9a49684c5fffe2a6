"""Token-bucket rate limit per key."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MAX_KEYS: Final = 1000
"""Maximum number of keys. The least recently used one is forgotten, and starts again with a full bucket."""


class RateLimit:
    """A token bucket per key. Not thread-safe."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, key: str, now: float) -> bool:
        """Take a token if the key has one left at `now`, in seconds of any clock. Returns True if it had one."""
        tokens, then = self._buckets.pop(key, (self._burst, now))
        tokens = min(tokens + max(now - then, 0.0) * self._per_second, self._burst)
        allowed = tokens >= 1.0
        self._buckets[key] = (tokens - allowed, max(now, then))
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        return allowed
