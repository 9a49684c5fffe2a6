"""Findings: verdicts on a whole process. The code here is pure: it knows threads and resources by their keys alone."""
