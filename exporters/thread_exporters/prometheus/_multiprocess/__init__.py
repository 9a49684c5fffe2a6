"""Metrics of several processes: each writes to a common folder, and one page adds them up."""
