"""The HTTP side of the metrics page: who listens on its port, and how clients are served. Its content comes from
`thread_exporters.prometheus`."""
