"""Samples in the formats of Prometheus: as metric families of prometheus_client, and as text."""
