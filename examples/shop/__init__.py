"""A small shop for bicycle parts: a typical threaded web service for thread-telemetry to observe.

It uses `threading` from the standard library and does not know that it is observed. It has two deliberate mistakes, of
the kind that real services have; `examples/README.md` says how to find them.
"""
