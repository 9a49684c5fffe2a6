"""A small shop for bicycle parts: a threaded web service as many are, to be watched by thread-telemetry.

It uses `threading` from the standard library and knows nothing of being watched. Two things are wrong with it on
purpose, both as they happen in real services; `examples/README.md` tells how to find them.
"""
