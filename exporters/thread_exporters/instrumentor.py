"""thread-telemetry as an OpenTelemetry instrumentation.

    export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf     # unless a gRPC exporter is installed
    opentelemetry-instrument python app.py               # finds it by its entry point and turns it on

or in the program:

    ThreadInstrumentor().instrument(tracer_provider=…, meter_provider=…, logger_provider=…)

Like `telemetry.instrument()`, it observes `threading`, `queue` and `concurrent.futures`. Slow waits and threads become
spans, unhandled exceptions become span events or log records, and single numbers become observable instruments. For the
histograms of waits, holds and lifetimes, choose the metrics exporter with OTEL_METRICS_EXPORTER=thread_otlp.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from thread import telemetry

from ._otel.observables import Observables
from .spans import SpansExporter

__all__ = ["ThreadInstrumentor"]

_log: Final = logging.getLogger("thread.telemetry")


class ThreadInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Observes threads and locks with the providers given to `instrument()`, by default the global ones.

    A second `instrument()` does nothing, and `uninstrument()` restores everything. If threads cannot be observed, for
    example under greenlets, it logs one line and does not raise, because then `opentelemetry-instrument` would turn on
    no instrumentation at all. Settings come from the environment and from `telemetry.configure`.
    """

    _exporter: SpansExporter | None = None
    _observables: Observables | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: the instrumented modules are part of Python."""
        return ()

    def _instrument(self, **providers: Any) -> None:
        try:
            telemetry.instrument()
            with telemetry.hidden():
                self._observables = Observables(providers.get("meter_provider") or metrics.get_meter_provider())
                exporter = SpansExporter(providers.get("tracer_provider"), providers.get("logger_provider"))
            telemetry.start(exporter)
            self._exporter = exporter
        except Exception as error:
            _log.warning("cannot observe all threads and locks: %s: %s", type(error).__name__, error)

    def _uninstrument(self, **kwargs: Any) -> None:
        exporter, observables = self._exporter, self._observables
        self._exporter = self._observables = None
        if observables is not None:
            observables.close()
        if exporter is not None:
            telemetry.stop(only=exporter)
        telemetry.uninstrument()
