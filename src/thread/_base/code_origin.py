"""Origin of code by its path: the program, a library, the interpreter, or us."""

from __future__ import annotations

import os

# The C core reads these too, since it may run no Python code while a thread waits.
OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
INTERNAL_PREFIXES = (OWN_FOLDER, "<frozen", "<string>")
STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
PACKAGE_FOLDERS = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
# These keep a pool of another library for the program, which waits for a connection from it.
POOL_KEEPERS = tuple(
    os.path.join(*name.split("/"))
    for name in ("django/db", "django/utils", "django_redis", "flask_sqlalchemy", "kombu", "requests", "sqlalchemy")
)
TELEMETRY_FOLDERS = tuple(
    f"{os.sep}{name}{os.sep}"
    for name in ("ddtrace", "opentelemetry", "prometheus_client", "sentry_sdk", "thread_exporters")
)
# Objects made by this code serve telemetry alone, whoever called it: they are not observed.
SDK_FOLDERS = tuple(f"{os.sep}opentelemetry{os.sep}{name}{os.sep}" for name in ("exporter", "sdk"))


def is_internal(filename: str) -> bool:
    """True if code of this file is charged to its caller: the standard library, telemetry libraries, generated code."""
    if filename.startswith(INTERNAL_PREFIXES):
        return True
    if any(folder in filename for folder in PACKAGE_FOLDERS):
        return any(folder in filename for folder in TELEMETRY_FOLDERS)
    return filename.startswith(STANDARD_LIBRARY)


def is_of_an_sdk(filename: str) -> bool:
    """True for code with which telemetry libraries export."""
    return any(folder in filename for folder in SDK_FOLDERS)


def library_of(location: str) -> tuple[str, ...] | None:
    """The folder, or the file, of the installed library at this location, and those of `POOL_KEEPERS` beside it.

    None for code of no library.
    """
    for folder in PACKAGE_FOLDERS:
        before, found, after = location.partition(folder)
        if found:
            package, separator, _ = after.partition(os.sep)
            own = f"{before}{found}{package}{os.sep}" if separator else location.rpartition(":")[0]
            return own, *(f"{before}{found}{each}{os.sep}" for each in POOL_KEEPERS)
    return None
