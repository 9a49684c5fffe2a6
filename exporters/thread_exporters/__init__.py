"""Where what `thread.telemetry` records is sent to: one module per destination, each with its own third-party library.

| module | shows it | needs |
|---|---|---|
| `thread_exporters.prometheus` | on a page that Prometheus scrapes | prometheus-client |
| `thread_exporters.console` | in a report at the end of the program | rich |

An exporter is found by its name in the entry-point group `thread.exporters` and reads nothing but the public views of
`thread.telemetry`. Importing a module whose library is missing raises ImportError.
"""
