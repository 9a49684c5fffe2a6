"""The Grafana dashboards as code. `python -m dashboards`, or `make dashboards`, writes the JSON that Grafana reads.

The JSON is committed, so that nobody needs Python to use it; a test compares it with what the code makes.
"""
