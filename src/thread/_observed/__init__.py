"""Observed replacements for the interpreter's locks, threads, executors, and everything that waits."""
