"""Exporters of what `thread.telemetry` records: one module per destination, each with its own third-party library.

| module | exports | needs |
|---|---|---|
| `thread_exporters.prometheus` | a page that Prometheus scrapes | prometheus-client |
| `thread_exporters.otlp` | spans, metrics, logs over OTLP | opentelemetry-exporter-otlp-proto-http |
| `thread_exporters.spans` | spans through the application's own OpenTelemetry | opentelemetry-api |
| `thread_exporters.instrumentor` | an OpenTelemetry instrumentation | opentelemetry-instrumentation |
| `thread_exporters.otel_metrics` | metrics beside those of the application, over OTLP | opentelemetry-sdk |
| `thread_exporters.console` | a report at the end of the program | nothing |

Exporters are found by name in the entry-point group `thread.exporters`; the one for OpenTelemetry's SDK is in the
group `opentelemetry_metrics_exporter`. They read only the public views of `thread.telemetry`.
Importing a module whose library is missing raises ImportError.
"""
