"""Pictures of the boards without Grafana. `make boards-preview` draws them, drawn from a real Prometheus.

Services with planted faults run, Prometheus scrapes them, and Grafana's own components draw each board in Chromium.
For development only: nothing here is part of the boards.
"""
