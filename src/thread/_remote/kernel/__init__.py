"""The kernel and /proc: bytes, threads and rights of another process. Only these files touch it."""
