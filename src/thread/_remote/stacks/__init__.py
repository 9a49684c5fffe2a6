"""Stacks of threads: frames, their code, the functions that they run or call."""
