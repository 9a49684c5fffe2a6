"""Samples of metrics in the formats of Prometheus: as families of prometheus_client, and as text."""
