"""What `instrument()` puts in place of the interpreter's: locks, threads, executors, and everything that waits."""
