"""Findings: verdicts on a whole process. What is here is pure: it knows threads and resources by their keys alone."""
