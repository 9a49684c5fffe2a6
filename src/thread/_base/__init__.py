"""Basics for every floor, the core's twin included: exact counters, attribution of errors, resets."""
