"""Replacing names in modules, now or right after their import. What they are replaced with lives elsewhere."""
