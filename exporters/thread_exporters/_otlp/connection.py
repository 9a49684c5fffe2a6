"""HTTP connections for the SDK's OTLP exporters that meet deadlines and remember the cause of a failure."""

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
"""Status codes after which the protocol allows a retry."""

_JITTER: Final = 1.2
_FIRST_PAUSE: Final = 1.0 * _JITTER
"""Maximum seconds before the SDK's first retry. Each further pause is twice as long as the one before."""


class Deadline:
    """The time by which an export must be over. A shutdown may bring it forward, from any thread."""

    def __init__(self) -> None:
        self._ends = math.inf
        self._last = math.inf

    def begin(self, seconds: float) -> None:
        """Give the next export this many seconds."""
        self._ends = monotonic() + seconds

    def set_last(self, at: float) -> None:
        """End everything by `at`, a time of `time.monotonic`."""
        self._last = min(self._last, at)

    @property
    def is_last(self) -> bool:
        """True if this is the last export."""
        return self._last < math.inf

    def left(self) -> float:
        """Return the seconds that are left; negative if the deadline has passed."""
        return min(self._ends, self._last) - monotonic()


_send: Final = HTTPAdapter.send
"""The library's own function. A program's tests may replace the attribute later to see what the program sends."""


class GivenUpError(requests.RequestException):
    """An error that ends the retries. The SDK retries after connection errors and some answers, but not after this."""


class TimelyAdapter(HTTPAdapter):
    """An HTTP adapter that sends requests within a deadline and remembers why the last one failed."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline
        self._began = self._ends = monotonic()
        self._failures = 0
        self.url = ""
        """Address of the last request."""
        self.trouble: str | None = None
        """Cause of the last failure in a few words; None after a success."""

    def begin(self, seconds: float) -> None:
        """Give the next requests this many seconds, within the deadline, and forget earlier failures."""
        self._began = monotonic()
        self._ends = self._began + seconds
        self._failures = 0
        self.trouble = None

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send a request for a session."""
        self.url = request.url or ""
        left = self._left()
        if left <= 0:
            self.trouble = self.trouble or "no time left"
            raise GivenUpError(self.trouble)
        timeout = options.get("timeout")
        options["timeout"] = min(timeout, left) if isinstance(timeout, int | float) else left
        try:
            response = _send(self, request, *arguments, **options)
        except requests.RequestException as error:
            self._failures += 1
            self.trouble = _cause(error)
            # For the first failure, the receiver may have closed an idle connection. The SDK retries at once.
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
        # Pauses double, so the next one is as long as all previous ones plus the first.
        next_pause = (monotonic() - self._began) * _JITTER + _FIRST_PAUSE
        return not self._deadline.is_last and next_pause < self._left()

    def _may_try_again(self, response: requests.Response) -> bool:
        try:
            asked_for = float(response.headers.get("Retry-After", 0.0))
        except ValueError:
            return False
        return self._allows_pause() and asked_for < self._left()


class TimelySession(requests.Session):
    """A session that always sends through one adapter, even if a program's tests replace the library's."""

    def __init__(self, adapter: TimelyAdapter) -> None:
        super().__init__()
        for prefix in ("http://", "https://"):
            self.mount(prefix, adapter)

    get_adapter = requests.Session.get_adapter


def _cause(error: BaseException) -> str:
    """Find the system's own reason for an error. The libraries wrap it in many more words."""
    found: BaseException = error
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and not isinstance(inner, requests.RequestException):
            found = inner
        inner = inner.__cause__ or inner.__context__
    return str(found) or type(found).__name__
