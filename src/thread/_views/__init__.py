"""Frozen views of what was recorded, and the readers that make them from the core's rows. Nothing here records."""
