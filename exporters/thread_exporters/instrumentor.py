"""thread-telemetry in the form of an OpenTelemetry instrumentation.

    export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf     # unless a gRPC exporter is installed
    opentelemetry-instrument python app.py               # found by its entry point, turned on by itself

or in the program:

    ThreadInstrumentor().instrument(tracer_provider=…, meter_provider=…, logger_provider=…)

`threading`, `queue` and `concurrent.futures` are observed from then on, as by `telemetry.instrument()`. Slow waits and
threads become spans, unhandled exceptions events of spans or log records, and the metrics that are single numbers
observable instruments. For those that are histograms, of waits and holds and lifetimes, choose the metrics exporter:
OTEL_METRICS_EXPORTER=thread_otlp.
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

    `instrument()` twice is once, and `uninstrument()` gives everything back. Where threads cannot be observed, under
    greenlets for example, one line in the log says why: `opentelemetry-instrument` turns no instrumentation on at all
    when one of them raises. The settings are those of the environment and of `telemetry.configure`.
    """

    _exporter: SpansExporter | None = None
    _observables: Observables | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing: Python brings what is instrumented."""
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
            _log.warning("not everything of threads and locks is observed: %s: %s", type(error).__name__, error)

    def _uninstrument(self, **kwargs: Any) -> None:
        exporter, observables = self._exporter, self._observables
        self._exporter = self._observables = None
        if observables is not None:
            observables.close()
        if exporter is not None:
            telemetry.stop(only=exporter)
        telemetry.uninstrument()
