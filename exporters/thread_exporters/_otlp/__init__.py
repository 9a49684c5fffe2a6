"""Sending over OTLP/HTTP: connections, deadlines and batches."""
