"""A service that serves its metrics and forgot to call `instrument()`: nothing of it is observed."""

from __future__ import annotations

import sys
import threading

from thread import telemetry
from thread_exporters.prometheus import PrometheusExporter


def main() -> None:
    exporter = PrometheusExporter(port=0)
    telemetry.start(exporter)
    print(exporter.url, file=sys.stderr, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
