"""Translation into OpenTelemetry's spans, log records and metrics, by its environment variables. Nothing here sends."""
