"""Translation into OpenTelemetry's spans, log records and metrics, and its environment variables. Nothing here sends."""
