"""The interpreter in a process: where its state lies, and the objects in its memory."""
