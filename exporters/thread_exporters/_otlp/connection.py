"""HTTP for the SDK's OTLP exporters that ends in time and keeps its own log of what went wrong."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

from thread.telemetry import monotonic

_RETRIED: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers after which the protocol allows another try."""

_JITTER: Final = 1.2
_FIRST_PAUSE: Final = 1.0 * _JITTER
"""Seconds at most before the SDK tries again for the first time. Each pause is twice as long as the one before."""


class Deadline:
    """When an export has to be over. The end of the exporter may set it earlier, in any thread."""

    def __init__(self) -> None:
        self._ends = math.inf
        self._last = math.inf

    def begin(self, seconds: float) -> None:
        """Give what follows so much time."""
        self._ends = monotonic() + seconds

    def set_last(self, at: float) -> None:
        """Have everything over by `at`, a point of `time.monotonic`."""
        self._last = min(self._last, at)

    @property
    def is_last(self) -> bool:
        """True if no other export will come."""
        return self._last < math.inf

    def left(self) -> float:
        """Seconds until then, less than 0 if it is over."""
        return min(self._ends, self._last) - monotonic()


_send: Final = HTTPAdapter.send
"""The library's own, though the tests of a program may have replaced it to see what the program sends."""


class GivenUpError(requests.RequestException):
    """Ends the tries: the SDK tries again after connection errors and some answers, never after this."""


class TimelyAdapter(HTTPAdapter):
    """Sends requests within a deadline, and remembers why the last one failed."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline
        self._began = self._ends = monotonic()
        self._failures = 0
        self.url = ""
        """The address of the last request."""
        self.trouble: str | None = None
        """Why it failed, in a few words; None if it did not."""

    def begin(self, seconds: float) -> None:
        """Give the requests that follow so much time, if the deadline leaves it, and forget earlier failures."""
        self._began = monotonic()
        self._ends = self._began + seconds
        self._failures = 0
        self.trouble = None

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send it, as a session asks."""
        self.url = request.url or ""
        left = self._left()
        if left <= 0:
            self.trouble = self.trouble or "no time was left"
            raise GivenUpError(self.trouble)
        timeout = options.get("timeout")
        options["timeout"] = min(timeout, left) if isinstance(timeout, int | float) else left
        try:
            response = _send(self, request, *arguments, **options)
        except requests.RequestException as error:
            self._failures += 1
            self.trouble = _cause(error)
            # The first may be a connection that the receiver has closed meanwhile. The SDK tries again at once.
            if self._failures > 1 and not self._allows_pause():
                raise GivenUpError(self.trouble) from error
            raise
        if response.ok:
            self._failures = 0
            self.trouble = None
            return response
        self._failures += 1
        self.trouble = f"{response.status_code} {response.reason}"
        if response.status_code in _RETRIED and not self._may_try_again(response):
            response.close()
            raise GivenUpError(self.trouble)
        return response

    def _left(self) -> float:
        return min(self._deadline.left(), self._ends - monotonic())

    def _allows_pause(self) -> bool:
        # Pauses that double: the next one takes as long as all until now and the first.
        next_pause = (monotonic() - self._began) * _JITTER + _FIRST_PAUSE
        return not self._deadline.is_last and next_pause < self._left()

    def _may_try_again(self, response: requests.Response) -> bool:
        try:
            asked_for = float(response.headers.get("Retry-After", 0.0))
        except ValueError:
            return False
        return self._allows_pause() and asked_for < self._left()


class TimelySession(requests.Session):
    """A session whose requests one adapter sends, and nobody that stands in for it in the tests of a program."""

    def __init__(self, adapter: TimelyAdapter) -> None:
        super().__init__()
        for prefix in ("http://", "https://"):
            self.mount(prefix, adapter)

    get_adapter = requests.Session.get_adapter


def _cause(error: BaseException) -> str:
    """The reason that the system gave: the libraries repeat it in many more words."""
    found: BaseException = error
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and not isinstance(inner, requests.RequestException):
            found = inner
        inner = inner.__cause__ or inner.__context__
    return str(found) or type(found).__name__
