"""Replacement of names in modules, now or right after their import. The replacements live elsewhere."""
