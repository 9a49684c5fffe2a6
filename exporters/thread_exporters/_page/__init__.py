"""The port of the metrics page: who listens, and how clients are served. What the page says is made elsewhere."""
