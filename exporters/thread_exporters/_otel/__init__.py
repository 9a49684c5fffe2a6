"""Spans, log records and metrics as OpenTelemetry's API and SDK have them. Nothing here sends."""
