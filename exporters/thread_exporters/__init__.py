"""Where what `thread.telemetry` records is sent to: one module per destination, each with its own third-party library.

| module | shows it | needs |
|---|---|---|
| `thread_exporters.prometheus` | on a page that Prometheus scrapes | prometheus-client |
| `thread_exporters.otlp` | as spans, metrics and log records, over OTLP | opentelemetry-exporter-otlp-proto-http |
| `thread_exporters.spans` | as spans of the application's own OpenTelemetry | opentelemetry-api |
| `thread_exporters.instrumentor` | as an OpenTelemetry instrumentation | opentelemetry-instrumentation |
| `thread_exporters.otel_metrics` | beside the application's metrics, over OTLP | opentelemetry-sdk, its OTLP exporter |
| `thread_exporters.console` | in a report at the end of the program | nothing |

An exporter is found by its name in the entry-point group `thread.exporters`, the one for OpenTelemetry's SDK in the
group `opentelemetry_metrics_exporter`. It reads nothing but the public views of `thread.telemetry`.
Importing a module whose library is missing raises ImportError.
"""
