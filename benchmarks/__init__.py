"""The promises of speed, each measured as anyone can measure it: `python -m benchmarks`, or `make bench`.

Nearly every promise is a ratio. Its two sides run the same code in one process, in turns of a few milliseconds, with
the garbage collector off and the switch interval left alone; each turn gives a ratio, and the median of all counts.
What a machine does at the same time hits both sides alike. `python -m benchmarks --calibrate` measures the
interpreter against itself, where every ratio should be 1: how far from it they are is how far to believe the others.
"""
