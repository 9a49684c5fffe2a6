"""TLS for the metrics page, with the options of prometheus_client's `start_http_server`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Certificates, keys and rules for HTTPS."""

    certfile: str
    keyfile: str
    client_cafile: str | None = None
    client_capath: str | None = None
    client_auth_required: bool = False
    tls_min_version: ssl.TLSVersion | None = None

    def context(self) -> ssl.SSLContext:
        """Make an SSL context. Raises OSError if a file cannot be read or has the wrong format."""
        # Imported here because it is slow.
        import ssl

        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with _named(f"the client CA certificates from {self.client_cafile or self.client_capath}"):
            if self.client_cafile is not None or self.client_capath is not None:
                made.load_verify_locations(self.client_cafile, self.client_capath)
            else:
                made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        if self.client_auth_required:
            made.verify_mode = ssl.CERT_REQUIRED
        with _named(f"the certificate {self.certfile} and its key {self.keyfile}"):
            made.load_cert_chain(self.certfile, self.keyfile)
        if self.tls_min_version is not None:
            made.minimum_version = self.tls_min_version
        return made


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot load {what}: {error.strerror or error}") from error
