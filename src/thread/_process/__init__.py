"""The telemetry as a part of its process: its threads, its log and errors, forks, children and the clock."""
