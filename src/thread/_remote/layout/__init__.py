"""Structures of CPython in memory: offsets of their fields by version.

From 3.13 on the interpreter publishes the offsets of what is internal to it (`published`). What it does not publish,
and everything on 3.11 and 3.12, stands in `tables`; `tests/remote/test_layout.py` has a C compiler derive the same
numbers from the interpreter's headers.
"""
