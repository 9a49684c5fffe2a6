"""A small shop for bicycle parts: an ordinary threaded web service for thread-telemetry to watch.

It uses `threading` from the standard library and knows nothing of being watched. Two things are wrong with it on
purpose, both as they happen in real services; `examples/README.md` tells how to find them.
"""
