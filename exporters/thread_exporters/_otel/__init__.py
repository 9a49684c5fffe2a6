"""Translation into OpenTelemetry's spans, log records and metrics. Nothing here sends anything."""
