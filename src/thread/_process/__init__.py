"""The telemetry as a part of its process: its threads, log, errors and clock, forks and child processes."""
